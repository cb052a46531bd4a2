"""A convolution layer computes a cross-correlation: the kernel slides over the image and is not turned."""

import numpy as np

from convlet import functional

image, kernel = np.arange(9).reshape(3, 3), np.arange(4).reshape(2, 2)
y = functional.corr2d(image, kernel)
print(f"image\n{image}\nkernel\n{kernel}\ncross-correlation\n{y}\n")
assert y.tolist() == [[19, 25], [37, 43]]

# Each output is the sum of a window times the kernel, so the size shrinks by the kernel's less one.
assert y[0, 0] == (image[:2, :2] * kernel).sum() == 0 * 0 + 1 * 1 + 3 * 2 + 4 * 3
assert y.shape == (3 - 2 + 1, 3 - 2 + 1)


def convolve(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolution in the strict sense, y[i, j] = sum over a, b of kernel[a, b] * image[i - a, j - b]."""
    rows, columns = kernel.shape
    y = np.zeros((image.shape[0] - rows + 1, image.shape[1] - columns + 1))
    for i, j in np.ndindex(y.shape):
        for a, b in np.ndindex(kernel.shape):
            y[i, j] += kernel[a, b] * image[i + rows - 1 - a, j + columns - 1 - b]
    return y


turned = kernel[::-1, ::-1]
print(f"kernel turned by 180 degrees\n{turned}\nconvolution in the strict sense\n{convolve(image, kernel)}")
assert np.array_equal(convolve(image, kernel), functional.corr2d(image, turned))
assert not np.array_equal(convolve(image, kernel), y)
