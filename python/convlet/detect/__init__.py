"""A trained net as a detector: it slides over a picture of any size, and what it finds becomes boxes.

>>> found = detect(net, image, window=28, threshold=0.9, overlap=0.3, background=10)
>>> found[0].top, found[0].left, found[0].label, found[0].score
(112.0, 40.0, 7, 0.998)
"""

from .boxes import Box, intersection_over_union, suppress
from .detector import detect
from .scores import natural_stride, score_map

__all__ = ["Box", "detect", "intersection_over_union", "natural_stride", "score_map", "suppress"]
