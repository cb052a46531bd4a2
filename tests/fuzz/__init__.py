"""Random valid calls of everything that computes, compared with float64, with each other, and bit by bit.

A case is a number: `run.py` draws from `(seed, number)` an op, its configuration, a kind of data and a
layout of every array, so that any case can be repeated alone. One file an op says how it is drawn and
what it should give; `float64.py` holds the sums of products in float64 loops over the taps, `compare.py`
how far a result may lie off, and what is to come where numbers are infinite, not a number, or too large.

Every case of an op is computed in four ways that must agree in every bit: with the arrays in odd layouts,
with 1, 2, 3 and 7 threads, and one image of the batch alone. A network must also give what
`convlet.reference` gives layer by layer. AVX2 and AVX-512 must give the same bits.
"""
