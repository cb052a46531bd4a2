// Updates of parameters, one value at a time, with PyTorch's definitions (torch.optim.SGD, Adam, AdamW).

template <class F>
CONVLET_INLINE void for_each_vector(std::ptrdiff_t count, F&& f) {
  std::ptrdiff_t i = 0;
  for (; i + Vec::lanes <= count; i += Vec::lanes) f(i, Vec::lanes);
  if (i < count) f(i, count - i);
}

void add(const float* x, std::ptrdiff_t count, float* sum) {
  map(x, sum, count, sum, [](Vec a, Vec b) { return b + a; });
}

//   g = gradient + weight_decay p;  b = momentum b + (1 - dampening) g  (b = g at the first step)
//   p = p - lr (g, or b, or with Nesterov's momentum g + momentum b)
void sgd(const SgdStep& t, const float* gradient, std::ptrdiff_t count, float* parameter, float* buffer) {
  const Vec lr = set(-t.lr), momentum = set(t.momentum), decay = set(t.weight_decay), fresh = set(t.fresh);
  for_each_vector(count, [&](std::ptrdiff_t i, std::ptrdiff_t n) {
    const Vec p = load_first(parameter + i, n);
    Vec g = load_first(gradient + i, n);
    if (t.weight_decay != 0.0f) g = fma(decay, p, g);
    if (t.mode != Momentum::None) {
      const Vec b = t.buffer == BufferState::Fresh ? g : fma(fresh, g, momentum * load_first(buffer + i, n));
      store_first(buffer + i, b, n);
      g = t.mode == Momentum::Nesterov ? fma(momentum, b, g) : b;
    }
    store_first(parameter + i, fma(lr, g, p), n);
  });
}

//   m = beta1 m + (1 - beta1) g;   v = beta2 v + (1 - beta2) g^2
//   p = p - lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
void adam(const AdamStep& t, const float* gradient, std::ptrdiff_t count, float* parameter, float* m, float* v) {
  const Vec decay = set(t.weight_decay), keep = set(t.keep), lr = set(-t.lr), root = set(t.correction_root);
  const Vec fresh1 = set(t.fresh1), beta2 = set(t.beta2), fresh2 = set(t.fresh2), eps = set(t.eps);
  for_each_vector(count, [&](std::ptrdiff_t i, std::ptrdiff_t n) {
    Vec p = load_first(parameter + i, n), g = load_first(gradient + i, n);
    if (t.decay == WeightDecay::Decoupled) p = p * keep;
    if (t.decay == WeightDecay::Coupled && t.weight_decay != 0.0f) g = fma(decay, p, g);
    const Vec old = load_first(m + i, n);
    const Vec first = fma(fresh1, g - old, old);  // PyTorch's lerp
    const Vec second = fma(fresh2 * g, g, beta2 * load_first(v + i, n));
    store_first(m + i, first, n);
    store_first(v + i, second, n);
    store_first(parameter + i, fma(lr, first / (sqrt(second) / root + eps), p), n);
  });
}
