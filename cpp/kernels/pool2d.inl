// Pooling of a tile, each channel by itself.
//
//   max:      y[c][oh][ow][n] = max over the window's pixels of x; the padding is minus infinity
//   average:  y[c][oh][ow][n] = sum over the window's pixels of x / divisor; the padding is zero
//
// x (C, H, W, 16), y (C, OH, OW, 16). NaN wins a maximum, and of equal pixels the first in row order does; its tap
// kh * KW + kw is kept in `winners`, a tile of y's shape, for the backward pass.

// The taps of one axis of a window that lie on the image.
struct Taps {
  std::int32_t first, last, in;  // first <= tap < last; in: input index of the first
};

CONVLET_INLINE Taps taps_of(int origin, int kernel, int dilation, int size) {
  if (origin >= 0 && origin + (kernel - 1) * dilation < size) return {0, kernel, origin};  // spares the divisions
  const int first = origin >= 0 ? 0 : (-origin + dilation - 1) / dilation;
  const int last = origin >= size ? 0 : smaller(kernel, (size - 1 - origin) / dilation + 1);
  return {first, larger(first, last), origin + first * dilation};
}

CONVLET_INLINE Taps rows_of(const Pooling& t, int oh) {
  return taps_of(oh * t.stride_height - t.top, t.kernel_height, t.dilation_height, t.height);
}

CONVLET_INLINE Taps columns_of(const Pooling& t, int ow) {
  return taps_of(ow * t.stride_width - t.left, t.kernel_width, t.dilation_width, t.width);
}

// Every window lies on the image with all its K x K taps: the loops over taps then unroll (measured on 2 x 2: 1.8
// times as fast).
CONVLET_INLINE bool complete(const Pooling& t, int k) {
  const auto inside = [k](int size, int before, int stride, int dilation, int outputs) {
    return before == 0 && (outputs - 1) * stride + (k - 1) * dilation < size;
  };
  return t.kernel_height == k && t.kernel_width == k &&
         inside(t.height, t.top, t.stride_height, t.dilation_height, t.out_height) &&
         inside(t.width, t.left, t.stride_width, t.dilation_width, t.out_width);
}

// Width: floats of a pixel, 16 in a tile and 1 in an image by itself.
template <int K, int Width, class F>
CONVLET_INLINE void for_each_window_of(const Pooling& t, F&& window) {
  const std::ptrdiff_t row = std::ptrdiff_t{t.width} * Width;
  std::ptrdiff_t y = 0;
  for (int c = 0; c < t.channels; ++c) {
    const std::ptrdiff_t plane = c * t.height * row;
    for (int oh = 0; oh < t.out_height; ++oh) {
      const Taps rows = K ? Taps{0, K, oh * t.stride_height} : rows_of(t, oh);
      for (int ow = 0; ow < t.out_width; ++ow, y += Width) {
        const Taps columns = K ? Taps{0, K, ow * t.stride_width} : columns_of(t, ow);
        window(oh, ow, rows, columns, plane + rows.in * row + std::ptrdiff_t{columns.in} * Width, y);
      }
    }
  }
}

// Calls window(oh, ow, rows, columns, offset of the first pixel, offset of the output) for every window in row order.
template <int Width = kTile, class F>
CONVLET_INLINE void for_each_window(const Pooling& t, F&& window) {
  if (complete(t, 2)) return for_each_window_of<2, Width>(t, window);
  if (complete(t, 3)) return for_each_window_of<3, Width>(t, window);
  for_each_window_of<0, Width>(t, window);
}

void max_pool(const Pooling& t, const float* x, float* y, float* winners) {
  const std::ptrdiff_t down = std::ptrdiff_t{t.dilation_height} * t.width * kTile;
  const std::ptrdiff_t right = std::ptrdiff_t{t.dilation_width} * kTile;
  for_each_window(t, [&](int, int, const Taps& rows, const Taps& columns, std::ptrdiff_t at, std::ptrdiff_t out) {
    for (int lane = 0; lane < kTile; lane += Vec::lanes) {
      Vec best = load(x + at + lane);
      Vec winner = set(static_cast<float>(rows.first * t.kernel_width + columns.first));
      for (int kh = rows.first; kh < rows.last; ++kh) {
        const float* pixel = x + at + (kh - rows.first) * down + lane;
        for (int kw = columns.first; kw < columns.last; ++kw, pixel += right) {
          const Vec value = load(pixel);
          const Mask better = greater_or_nan(value, best);
          best = select(better, value, best);
          winner = select(better, set(static_cast<float>(kh * t.kernel_width + kw)), winner);
        }
      }
      store(y + out + lane, best);
      if (winners) store(winners + out + lane, winner);
    }
  });
}

// Cells that an average divides by: the window's pixels, or also its padding, but nothing beyond the padding.
CONVLET_INLINE float divisor_of(const Pooling& t, int oh, int ow, const Taps& rows, const Taps& columns) {
  if (t.divisor) return static_cast<float>(t.divisor);
  const bool complete = rows.last - rows.first == t.kernel_height && columns.last - columns.first == t.kernel_width;
  if (complete || t.count == AverageDivisor::Pixels) {
    return static_cast<float>(rows.last - rows.first) * static_cast<float>(columns.last - columns.first);
  }
  const int down = t.height + t.bottom - (oh * t.stride_height - t.top);
  const int right = t.width + t.right - (ow * t.stride_width - t.left);
  const int height = smaller(t.kernel_height, (down + t.dilation_height - 1) / t.dilation_height);
  const int width = smaller(t.kernel_width, (right + t.dilation_width - 1) / t.dilation_width);
  return static_cast<float>(height) * static_cast<float>(width);
}

// max_pool of one image (C, H, W): the same comparisons in the same order.
void max_pool_image(const Pooling& t, const float* x, float* y) {
  const std::ptrdiff_t down = std::ptrdiff_t{t.dilation_height} * t.width, right = t.dilation_width;
  for_each_window<1>(t, [&](int, int, const Taps& rows, const Taps& columns, std::ptrdiff_t at, std::ptrdiff_t out) {
    float best = x[at];
    for (int kh = rows.first; kh < rows.last; ++kh) {
      const float* pixel = x + at + (kh - rows.first) * down;
      for (int kw = columns.first; kw < columns.last; ++kw, pixel += right) {
        if (*pixel > best || *pixel != *pixel) best = *pixel;
      }
    }
    y[out] = best;
  });
}

// sum / divisor. Where the divisor is a power of two its reciprocal is exact, and a product costs a tenth of a division
// (measured on 2 x 2: the pooling takes half the time).
CONVLET_INLINE bool is_power_of_two(float divisor) {
  std::uint32_t bits = 0;
  __builtin_memcpy(&bits, &divisor, sizeof bits);
  return (bits & 0x007fffff) == 0;
}

CONVLET_INLINE Vec mean(Vec sum, float divisor) {
  return is_power_of_two(divisor) ? sum * set(1.0f / divisor) : sum / set(divisor);
}

// The sum of a window's pixels, pixel(kh, kw), row by row. Sums of more than kChain pixels are cut at the end of every
// row, and within it after every kChain columns.
template <class Value, class Pixel>
CONVLET_INLINE Value window_sum(const Taps& rows, const Taps& columns, Value zero, Pixel&& pixel) {
  Value sum = zero;
  if (std::ptrdiff_t{rows.last - rows.first} * (columns.last - columns.first) <= kChain) {
    for (int kh = rows.first; kh < rows.last; ++kh) {
      for (int kw = columns.first; kw < columns.last; ++kw) sum = sum + pixel(kh, kw);
    }
    return sum;
  }
  for (int kh = rows.first; kh < rows.last; ++kh) {
    for (int cut = columns.first; cut < columns.last; cut += kChain) {
      Value part = zero;
      for (int kw = cut; kw < smaller(cut + kChain, columns.last); ++kw) part = part + pixel(kh, kw);
      sum = sum + part;
    }
  }
  return sum;
}

void average_pool(const Pooling& t, const float* x, float* y) {
  const std::ptrdiff_t down = std::ptrdiff_t{t.dilation_height} * t.width * kTile;
  const std::ptrdiff_t right = std::ptrdiff_t{t.dilation_width} * kTile;
  for_each_window(t, [&](int oh, int ow, const Taps& rows, const Taps& columns, std::ptrdiff_t at, std::ptrdiff_t out) {
    const float divisor = divisor_of(t, oh, ow, rows, columns);
    for (int lane = 0; lane < kTile; lane += Vec::lanes) {
      const float* first = x + at + lane;
      const Vec sum = window_sum(rows, columns, set(0.0f), [&](int kh, int kw) {
        return load(first + (kh - rows.first) * down + (kw - columns.first) * right);
      });
      store(y + out + lane, mean(sum, divisor));
    }
  });
}

// Windows of 2 x 2 side by side: a vector of outputs at a time, of the pixels with even and with odd columns.
void average_pairs_image(const Pooling& t, const float* x, float* y) {
  constexpr int L = Vec::lanes;
  for (int row = 0; row < t.channels * t.out_height; ++row) {
    const float* top = x + (row / t.out_height * t.height + row % t.out_height * 2) * std::ptrdiff_t{t.width};
    for (int ow = 0; ow < t.out_width; ow += L) {
      const int outputs = smaller(L, t.out_width - ow), low = smaller(L, 2 * outputs), high = 2 * outputs - low;
      Vec sum = set(0.0f);
      for (int kh = 0; kh < 2; ++kh) {
        const float* pixel = top + kh * t.width + 2 * ow;
        Vec even, odd;
        split_pairs(load_first(pixel, low), load_first(pixel + low, high), even, odd);
        sum = sum + even + odd;
      }
      store_first(y, sum * set(0.25f), outputs);
      y += outputs;
    }
  }
}

// average_pool of one image (C, H, W): the same additions in the same order.
void average_pool_image(const Pooling& t, const float* x, float* y) {
  const bool pairs = complete(t, 2) && t.stride_height == 2 && t.stride_width == 2 && t.dilation_height == 1 &&
                     t.dilation_width == 1 && (t.divisor == 0 || t.divisor == 4);
  if (pairs) return average_pairs_image(t, x, y);
  const std::ptrdiff_t down = std::ptrdiff_t{t.dilation_height} * t.width, right = t.dilation_width;
  for_each_window<1>(t,
                     [&](int oh, int ow, const Taps& rows, const Taps& columns, std::ptrdiff_t at, std::ptrdiff_t out) {
                       const float sum = window_sum(rows, columns, 0.0f, [&](int kh, int kw) {
                         return x[at + (kh - rows.first) * down + (kw - columns.first) * right];
                       });
                       const float divisor = divisor_of(t, oh, ow, rows, columns);
                       y[out] = is_power_of_two(divisor) ? sum * (1.0f / divisor) : sum / divisor;
                     });
}

// Pixels that no window covers get no gradient; where windows meet, each adds its own.
enum class Cover { Exact, Gaps, Overlaps };

CONVLET_INLINE bool whole(int size, int before, int kernel, int stride, int outputs) {
  return before == 0 && kernel == stride && outputs * stride >= size;
}

CONVLET_INLINE Cover cover_of(const Pooling& t) {
  const bool apart = t.dilation_height == 1 && t.dilation_width == 1 && t.kernel_height <= t.stride_height &&
                     t.kernel_width <= t.stride_width;
  if (!apart) return Cover::Overlaps;
  return whole(t.height, t.top, t.kernel_height, t.stride_height, t.out_height) &&
                 whole(t.width, t.left, t.kernel_width, t.stride_width, t.out_width)
             ? Cover::Exact
             : Cover::Gaps;
}

// dx = sum over the windows that hold a pixel of slope(window, tap), then times the derivative of the activation
// whose output the pooling took in (None: of nothing). share(oh, ow, ...) prepares a window's vector of lanes.
template <class Derivative, class Share>
CONVLET_INLINE void scatter(const Pooling& t, const float* x, float* dx, Derivative&& derivative, Share&& share) {
  const std::ptrdiff_t down = std::ptrdiff_t{t.dilation_height} * t.width * kTile;
  const std::ptrdiff_t right = std::ptrdiff_t{t.dilation_width} * kTile;
  const std::ptrdiff_t size = std::ptrdiff_t{t.channels} * t.height * t.width * kTile;
  const Cover cover = cover_of(t);
  if (cover == Cover::Overlaps) {
    for (std::ptrdiff_t i = 0; i < size; i += Vec::lanes) store(dx + i, set(0.0f));
  } else if (cover == Cover::Gaps) {  // 0 times a derivative of NaN is NaN
    for (std::ptrdiff_t i = 0; i < size; i += Vec::lanes) store(dx + i, derivative(set(0.0f), load(x + i)));
  }
  for_each_window(t, [&](int oh, int ow, const Taps& rows, const Taps& columns, std::ptrdiff_t at, std::ptrdiff_t out) {
    for (int lane = 0; lane < kTile; lane += Vec::lanes) {
      const auto slope = share(oh, ow, rows, columns, out + lane);
      for (int kh = rows.first; kh < rows.last; ++kh) {
        std::ptrdiff_t pixel = at + (kh - rows.first) * down + lane;
        for (int kw = columns.first; kw < columns.last; ++kw, pixel += right) {
          const Vec part = slope(kh * t.kernel_width + kw);
          store(dx + pixel, cover == Cover::Overlaps ? load(dx + pixel) + part : derivative(part, load(x + pixel)));
        }
      }
    }
  });
  if (cover == Cover::Overlaps) {
    for (std::ptrdiff_t i = 0; i < size; i += Vec::lanes) store(dx + i, derivative(load(dx + i), load(x + i)));
  }
}

void max_pool_backward(const Pooling& t, Activation before, const float* dy, const float* winners, const float* x,
                       float* dx) {
  with_derivative(before, [&](auto derivative) {
    scatter(t, x, dx, derivative, [&](int, int, const Taps&, const Taps&, std::ptrdiff_t at) {
      const Vec slope = load(dy + at), winner = load(winners + at);
      return [=](int tap) { return select(equal(winner, set(static_cast<float>(tap))), slope, set(0.0f)); };
    });
  });
}

void average_pool_backward(const Pooling& t, Activation before, const float* dy, const float* x, float* dx) {
  with_derivative(before, [&](auto derivative) {
    scatter(t, x, dx, derivative, [&](int oh, int ow, const Taps& rows, const Taps& columns, std::ptrdiff_t at) {
      const Vec share = mean(load(dy + at), divisor_of(t, oh, ow, rows, columns));
      return [=](int) { return share; };
    });
  });
}
