"""Pooling looks at a window as a kernel does, without weights: it takes the largest value, or the average."""

import numpy as np

from convlet import nn

x = np.arange(9).reshape(1, 1, 3, 3)
largest, average = nn.MaxPool2d(2, stride=1)(x), nn.AvgPool2d(2, stride=1)(x)
print(f"image\n{x[0, 0]}\nlargest of 2x2\n{largest[0, 0]}\naverage of 2x2\n{average[0, 0]}\n")
assert largest[0, 0].tolist() == [[4, 5], [7, 8]]
assert average[0, 0].tolist() == [[2, 3], [5, 6]]

# Windows do not overlap unless a stride says so; padding and stride work as in a convolution.
x = np.arange(16).reshape(1, 1, 4, 4)
whole, halved = nn.MaxPool2d(3)(x), nn.MaxPool2d(3, padding=1, stride=2)(x)
print(f"image\n{x[0, 0]}\nlargest of 3x3\n{whole[0, 0]}\nwith padding 1 and stride 2\n{halved[0, 0]}\n")
assert whole[0, 0].tolist() == [[10]]
assert halved[0, 0].tolist() == [[5, 7], [13, 15]]
assert nn.MaxPool2d((2, 3), stride=(2, 3), padding=(0, 1))(x).tolist() == halved.tolist()

# Each channel is pooled by itself: two channels in, two out.
both = nn.MaxPool2d(3, padding=1, stride=2)(np.concatenate([x, x + 1], axis=1))
print(f"two channels, the second one larger by 1\n{both[0]}\n")
assert np.array_equal(both[0, 1], both[0, 0] + 1)

# What moves by a pixel within its window leaves the maximum alone: this is what pooling is for.
here, there = np.zeros((1, 1, 4, 6)), np.zeros((1, 1, 4, 6))
here[0, 0, 1, 2], there[0, 0, 1, 3] = 1, 1
pool = nn.MaxPool2d(2)
print(f"a dot at column 2, pooled\n{pool(here)[0, 0]}\na dot at column 3, pooled\n{pool(there)[0, 0]}")
assert np.array_equal(pool(here), pool(there))
