"""Padding keeps the pixels at the border in play, and a stride skips positions."""

import numpy as np

from convlet import functional, nn

x, weight = np.arange(9).reshape(1, 1, 3, 3), np.arange(4).reshape(1, 1, 2, 2)

padded = functional.conv2d(x, weight, padding=1)
print(f"3x3 with a border of zeros, kernel 2x2\n{padded[0, 0]}\n")
assert padded[0, 0].tolist() == [[0, 3, 8, 4], [9, 19, 25, 10], [21, 37, 43, 16], [6, 7, 8, 0]]

strided = functional.conv2d(x, weight, padding=1, stride=(3, 2))
print(f"the same, three rows and two columns at a time\n{strided[0, 0]}\n")
assert strided[0, 0].tolist() == [[0, 8], [6, 8]]
assert np.array_equal(strided, padded[:, :, ::3, ::2])

# An odd kernel k with a padding of (k - 1) / 2 keeps the size; output (i, j) then looks around input (i, j).
image = np.random.default_rng(0).random((1, 1, 8, 8), np.float32)
print("kernel  padding  stride     8x8 becomes")
for kernel, padding, stride in [
    (3, 1, 1),
    ((5, 3), (2, 1), 1),
    (7, "same", 1),
    (3, "valid", 1),
    (3, 1, 2),
    ((3, 5), (0, 1), (3, 4)),
    (2, (0, 1, 0, 1), 1),  # four sides: top, bottom, left, right
]:
    height, width = nn.Conv2d(1, 1, kernel, padding=padding, stride=stride)(image).shape[2:]
    print(f"{kernel!s:7} {padding!s:13} {stride!s:7} {height}x{width}")
    keeps_size = stride == 1 and padding != "valid"
    assert ((height, width) == (8, 8)) == keeps_size

# On each axis it is floor((n + before + after - k) / stride) + 1, here for the last row but one:
assert (2, 2) == ((8 - 3) // 3 + 1, (8 + 1 + 1 - 5) // 4 + 1)
