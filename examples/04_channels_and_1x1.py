"""Many channels in, many out; and a 1x1 kernel, which is a dense layer at every pixel."""

import numpy as np

from convlet import functional, nn

# Two channels in: each has a kernel of its own, and the results are added.
first = np.arange(9).reshape(3, 3)
x = np.stack([first, first + 1])[None]
kernel = np.stack([np.arange(4).reshape(2, 2), np.arange(1, 5).reshape(2, 2)])
y = functional.conv2d(x, kernel[None])
print(f"two channels in, one out\n{y[0, 0]}\n")
assert y[0, 0].tolist() == [[56, 72], [104, 120]]
assert np.array_equal(y[0, 0], sum(functional.corr2d(x[0, c], kernel[c]) for c in range(2)))

# Three channels out: three such kernels, so the weight is (out, in, rows, columns).
weight = np.stack([kernel, kernel + 1, kernel + 2])
y = functional.conv2d(x, weight)
print(f"two channels in, three out, weight {weight.shape}\n{y[0]}\n")
assert y[0].tolist() == [[[56, 72], [104, 120]], [[76, 100], [148, 172]], [[96, 128], [192, 224]]]

# A 1x1 kernel sees one pixel: its channels go through the same dense layer everywhere.
rng = np.random.default_rng(0)
image = rng.standard_normal((1, 3, 4, 5)).astype(np.float32)
pointwise = nn.Conv2d(3, 2, kernel_size=1, seed=0)
dense = nn.Linear(3, 2)
dense.weight = pointwise.weight[:, :, 0, 0]
dense.bias = pointwise.bias
pixels = image[0].reshape(3, 20).T
print(f"{pointwise}\n{dense} at every pixel: the same numbers\n")
np.testing.assert_allclose(dense(pixels).T.reshape(1, 2, 4, 5), pointwise(image), rtol=1e-6, atol=1e-6)

# Groups keep channels apart and need fewer weights; dilation spreads a kernel's taps and so reaches further.
for layer in (nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 8, 3, dilation=2)):
    shape = layer(np.zeros((1, 8, 9, 9))).shape[1:]
    print(f"{layer}\n    {layer.parameter_count} parameters, (8, 9, 9) becomes {shape}")
assert nn.Conv2d(8, 8, 3).parameter_count == 8 * (8 * 9 + 1)
assert nn.Conv2d(8, 8, 3, groups=8).parameter_count == 8 * (1 * 9 + 1)
assert nn.Conv2d(8, 8, 3, dilation=2)(np.zeros((1, 8, 9, 9))).shape == (1, 8, 5, 5)
