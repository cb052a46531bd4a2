"""What every op means, in float64 and plain loops: the first of the three oracles of the tests.

One file an op, each with `forward` and `backward`. Nothing here is fast, shared with the library or clever: a
reader should be able to check a page against the formula in its docstring by eye. Sizes are pairs (rows,
columns) and a padding is always four sides (top, bottom, left, right).
"""
