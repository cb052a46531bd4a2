"""Every public callable with one right call, and what may come wrong in the place of its arguments."""
