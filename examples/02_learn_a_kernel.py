"""A kernel need not be designed: from pictures and their edges, gradient descent finds the edge detector."""

import numpy as np

from convlet import functional, optim

image = np.ones((6, 8), np.float32)
image[:, 2:6] = 0  # a dark bar
edges = functional.corr2d(image, [[1, -1]])
print(f"picture\n{image.astype(int)}\nits vertical edges, by the kernel [1, -1]\n{edges.astype(int)}\n")
assert edges.tolist() == 6 * [[0, 1, 0, 0, 0, -1, 0]]
assert not functional.corr2d(image.T, [[1, -1]]).any()  # a horizontal edge it does not see

# Now only the picture and the edges are known. Ops take batches of images with channels: (N, C, H, W).
x, wanted = image[None, None], edges[None, None]
kernel = np.random.default_rng(0).standard_normal((1, 1, 1, 2)).astype(np.float32)
optimizer = optim.SGD(lr=0.03)
for step in range(1, 31):
    error = functional.conv2d(x, kernel) - wanted
    _, gradient, _ = functional.conv2d_backward(2 * error, x, kernel)
    optimizer.step({"kernel": kernel}, {"kernel": gradient})
    if step % 5 == 0:
        left, right = kernel.ravel()
        print(f"step {step:2}  squared error {(error**2).sum():8.4f}  kernel [{left:6.3f}, {right:6.3f}]")
assert abs(kernel.ravel() - [1, -1]).max() < 0.01
