// Softmax and its relatives over the classes of a tile: class k's 16 lanes lie at x + k * stride.
//
//   softmax      y_k = e^(x_k - m) / sum over j of e^(x_j - m),   m = max x
//   log_softmax  y_k = x_k - m - ln(sum over j of e^(x_j - m))

struct Scaled {  // of one vector of lanes
  Vec maximum, sum;
};

CONVLET_INLINE Scaled exponential_sum(const float* x, std::ptrdiff_t classes, std::ptrdiff_t stride) {
  Vec maximum = load(x);
  for (std::ptrdiff_t k = 1; k < classes; ++k) {
    const Vec value = load(x + k * stride);
    maximum = select(greater_or_nan(value, maximum), value, maximum);
  }
  Vec sum = set(0.0f);
  for (std::ptrdiff_t cut = 0; cut < classes; cut += kChain) {  // where chains of additions are cut
    const std::ptrdiff_t end = classes - cut < kChain ? classes : cut + kChain;
    Vec part = set(0.0f);
    for (std::ptrdiff_t k = cut; k < end; ++k) part = part + exp_negative(load(x + k * stride) - maximum);
    sum = sum + part;
  }
  return {maximum, sum};
}

// The natural logarithm, rounded from double precision: one value a lane, so its cost does not show.
CONVLET_INLINE Vec logarithm(Vec a) {
  float all[Vec::lanes];
  store(all, a);
  for (float& value : all) value = static_cast<float>(::log(static_cast<double>(value)));
  return load(all);
}

void softmax(const float* x, std::ptrdiff_t classes, std::ptrdiff_t stride, float* y) {
  for (int lane = 0; lane < kTile; lane += Vec::lanes) {
    const Scaled s = exponential_sum(x + lane, classes, stride);
    for (std::ptrdiff_t k = 0; k < classes; ++k) {
      store(y + k * stride + lane, exp_negative(load(x + k * stride + lane) - s.maximum) / s.sum);
    }
  }
}

void log_softmax(const float* x, std::ptrdiff_t classes, std::ptrdiff_t stride, float* y) {
  for (int lane = 0; lane < kTile; lane += Vec::lanes) {
    const Scaled s = exponential_sum(x + lane, classes, stride);
    const Vec log_sum = logarithm(s.sum);
    for (std::ptrdiff_t k = 0; k < classes; ++k) {
      store(y + k * stride + lane, load(x + k * stride + lane) - s.maximum - log_sum);
    }
  }
}

// dx_k = y_k (dy_k - sum over j of dy_j y_j)
void softmax_backward(const float* dy, const float* y, std::ptrdiff_t classes, std::ptrdiff_t stride, float* dx) {
  for (int lane = 0; lane < kTile; lane += Vec::lanes) {
    Vec dot = set(0.0f);
    for (std::ptrdiff_t k = 0; k < classes; ++k) {
      dot = fma(load(dy + k * stride + lane), load(y + k * stride + lane), dot);
    }
    for (std::ptrdiff_t k = 0; k < classes; ++k) {
      store(dx + k * stride + lane, load(y + k * stride + lane) * (load(dy + k * stride + lane) - dot));
    }
  }
}

// dx_k = dy_k - e^(y_k) sum over j of dy_j
void log_softmax_backward(const float* dy, const float* y, std::ptrdiff_t classes, std::ptrdiff_t stride, float* dx) {
  for (int lane = 0; lane < kTile; lane += Vec::lanes) {
    Vec sum = set(0.0f);
    for (std::ptrdiff_t k = 0; k < classes; ++k) sum = sum + load(dy + k * stride + lane);
    for (std::ptrdiff_t k = 0; k < classes; ++k) {
      const Vec probability = exp_negative(load(y + k * stride + lane));
      store(dx + k * stride + lane, load(dy + k * stride + lane) - probability * sum);
    }
  }
}

// Loss and gradient of class indices under softmax, with PyTorch's definitions. With p = softmax(logits), target y,
// class weights w and label smoothing s:
//
//   loss     = (1 - s) w_y (-ln p_y) + s / K sum over k of w_k (-ln p_k)
//   dlogit_k = scale ((1 - s) w_y (p_k - [k = y]) + s / K (p_k sum(w) - w_k))
std::int32_t cross_entropy(const CrossEntropy& t, const float* logits, const std::int32_t* labels, float* losses,
                           float* dlogits) {
  const float hard = 1.0f - t.label_smoothing, soft = t.label_smoothing / static_cast<float>(t.classes);
  float label[kTile], target_slope[kTile], smooth_slope[kTile], maximum[kTile], sum[kTile], best[kTile];
  float weight_sum = 0.0f;
  for (int k = 0; k < t.classes; ++k) weight_sum += t.weight ? t.weight[k] : 1.0f;
  for (int n = 0; n < kTile; ++n) {
    label[n] = static_cast<float>(labels[n]);
    const float weight = labels[n] < 0 ? 0.0f : t.weight ? t.weight[labels[n]] : 1.0f;
    target_slope[n] = t.scale * hard * weight;
    smooth_slope[n] = labels[n] < 0 ? 0.0f : t.scale * soft;
  }
  for (int lane = 0; lane < kTile; lane += Vec::lanes) {
    const float* x = logits + lane;
    const Scaled s = exponential_sum(x, t.classes, kTile);
    store(maximum + lane, s.maximum);
    store(sum + lane, s.sum);
    Vec winner = set(0.0f), highest = load(x);
    for (int k = 1; k < t.classes; ++k) {
      const Vec value = load(x + k * kTile);
      const Mask better = greater_or_nan(value, highest);
      highest = select(better, value, highest);
      winner = select(better, set(static_cast<float>(k)), winner);
    }
    store(best + lane, winner);
    if (!dlogits) continue;
    const Vec target = load(label + lane), a = load(target_slope + lane), b = load(smooth_slope + lane);
    const Mask absent = less(target, set(0.0f));
    for (int k = 0; k < t.classes; ++k) {
      const Vec p = exp_negative(load(x + k * kTile) - s.maximum) / s.sum;
      const Vec one_hot = select(equal(target, set(static_cast<float>(k))), set(1.0f), set(0.0f));
      const Vec smooth = b * (p * set(weight_sum) - set(t.weight ? t.weight[k] : 1.0f));
      store(dlogits + k * kTile + lane, select(absent, set(0.0f), fma(a, p - one_hot, smooth)));
    }
  }
  std::int32_t correct = 0;
  for (int n = 0; n < kTile; ++n) {
    losses[n] = 0.0f;
    if (labels[n] < 0) continue;
    correct += best[n] == label[n];
    const double log_sum = ::log(static_cast<double>(sum[n])) + static_cast<double>(maximum[n]);
    double loss = static_cast<double>(hard) * (t.weight ? t.weight[labels[n]] : 1.0f) *
                  (log_sum - static_cast<double>(logits[labels[n] * kTile + n]));
    for (int k = 0; soft != 0.0f && k < t.classes; ++k) {
      loss += static_cast<double>(soft) * (t.weight ? t.weight[k] : 1.0f) *
              (log_sum - static_cast<double>(logits[k * kTile + n]));
    }
    losses[n] = static_cast<float>(loss);
  }
  return correct;
}
