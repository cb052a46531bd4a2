"""How large the outputs are and what a layer costs, known before anything is computed."""

from itertools import zip_longest

from convlet import nn

# A 5x5 kernel takes 4 rows and 4 columns: ten layers take 240x240 to 200x200.
unpadded = nn.Sequential(*(nn.Conv2d(1, 1, kernel_size=5) for _ in range(10))).summary((1, 240, 240))
sizes = [240, *(row.output_shape[1] for row in unpadded.rows)]
print("ten layers of 5x5:", " -> ".join(map(str, sizes)))
assert sizes == list(range(240, 199, -4))
print(f"pixels lost: {1 - 200**2 / 240**2:.1%}\n")
assert unpadded.output_shape == (1, 200, 200)

padded = nn.Sequential(*(nn.Conv2d(1, 1, kernel_size=5, padding=2) for _ in range(10)))
assert padded.summary((1, 240, 240)).output_shape == (1, 240, 240)

# The article's LeNet, layer by layer.
lenet = nn.LeNet().summary((1, 28, 28))
print(f"LeNet\n{lenet}\n")
assert (lenet.parameters, lenet.multiply_adds) == (61_706, 416_520)

# A picture of a megapixel goes to a thousand hidden values by a dense layer, or to 16 feature maps by a
# convolution. A summary draws no weights, so the billion is counted and never allocated.
megapixel = (1, 1000, 1000)
dense = nn.Sequential(nn.Flatten(), nn.Linear(1000 * 1000, 1000)).summary(megapixel)
convolution = nn.Sequential(nn.Conv2d(1, 16, kernel_size=5, padding=2)).summary(megapixel)
left, right = f"a dense layer\n{dense}".splitlines(), f"a convolution\n{convolution}".splitlines()
width = max(map(len, left))
for one, other in zip_longest(left, right, fillvalue=""):
    print(f"{one:{width}} | {other}")
print(f"\n{dense.parameters:,} parameters against {convolution.parameters:,}")
assert dense.parameters == 10**9 + 1000
assert convolution.parameters == 16 * 5 * 5 + 16
