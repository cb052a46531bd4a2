// Layers of a net that slides over a picture, for one plane of outputs: 16 windows side by side in the lanes.
//
//   y[o][i][j] = bias[o] + sum over c, t of w[o][c][t] x[c][offset of t + (i, j)]
//   max: y[c][i][j] = max over t of x[c][...]     average: y[c][i][j] = sum over t of x[c][...] / divisor
//
// A plane holds one position of a window, or one that windows share, at every place of the picture; so each tap lies at
// an offset that is the same for all outputs. w is in blocks of M output channels (O/M, C, taps, M).
//
// Rows and columns of x beyond those that windows need may hold any numbers: they reach only such of y. Every output is
// one chain in the order channel, tap, as in conv2d.inl, or, pooled, a comparison or sum in the order of the taps.

void slide(const SlidingPlane& t, Chain chain, const float* x, const float* w, const float* bias, float* y) {
  Block b{};
  b.taps = t.taps;
  b.tap_count = t.tap_count;
  b.channels = t.in_channels;
  b.a_channel = t.w_channel;
  b.b_channel = t.x_channel;
  b.b_step = t.x_row;
  b.y_m = t.y_channel;
  b.y_p = t.y_row;
  b.chain = chain;
  const int most = max_positions(smaller(t.block, t.out_channels)), parts = (t.rows + most - 1) / most;
  for (int v = 0; v < t.vectors; ++v) {
    for (int part = 0, row = 0; part < parts; ++part) {
      const int p = (t.rows - row + parts - part - 1) / (parts - part);  // as equal as whole numbers allow
      b.b = x + row * t.x_row + v * kTile;
      for (int o = 0; o < t.out_channels; o += t.block) {
        const int m = smaller(t.block, t.out_channels - o);
        b.a = w + o / t.block * t.w_block;
        b.bias = bias ? bias + o : nullptr;
        b.y = y + o * t.y_channel + row * t.y_row + v * kTile;
        kBlocks.at[m][p](b);
        if (t.after != Activation::None) activate_block(t.after, b, m, p);
      }
      row += p;
    }
  }
}

// Calls output(x, y) for every vector of outputs of every channel.
template <class F>
CONVLET_INLINE void for_each_pooled(const SlidingPlane& t, const float* x, float* y, F&& output) {
  for (int c = 0; c < t.in_channels; ++c) {
    for (int i = 0; i < t.rows; ++i) {
      const float* row = x + c * t.x_channel + i * t.x_row;
      float* out = y + c * t.y_channel + i * t.y_row;
      for (int j = 0; j < t.vectors * kTile; j += Vec::lanes) output(row + j, out + j);
    }
  }
}

// NaN wins, and of equal numbers the first.
void slide_max(const SlidingPlane& t, const float* x, float* y) {
  for_each_pooled(t, x, y, [&](const float* first, float* out) {
    Vec best = load(first + t.taps[0].b);
    for (int i = 1; i < t.tap_count; ++i) {
      const Vec value = load(first + t.taps[i].b);
      best = select(greater_or_nan(value, best), value, best);
    }
    store(out, best);
  });
}

void slide_average(const SlidingPlane& t, float divisor, const float* x, float* y) {
  for_each_pooled(t, x, y, [&](const float* first, float* out) {
    Vec sum = set(0.0f);
    for (int cut = 0; cut < t.tap_count; cut += kChain) {  // where chains of additions are cut
      Vec part = set(0.0f);
      for (int i = cut; i < smaller(cut + kChain, t.tap_count); ++i) part = part + load(first + t.taps[i].b);
      sum = cut ? sum + part : part;
    }
    store(out, mean(sum, divisor));
  });
}
