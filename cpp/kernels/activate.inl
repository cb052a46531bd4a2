// Activations of whole arrays, and their gradients.

template <class F>
CONVLET_INLINE void map(const float* x, std::ptrdiff_t count, float* y, F&& f) {
  std::ptrdiff_t i = 0;
  for (; i + Vec::lanes <= count; i += Vec::lanes) store(y + i, f(load(x + i)));
  if (i < count) store_first(y + i, f(load_first(x + i, count - i)), count - i);
}

template <class F>
CONVLET_INLINE void map(const float* a, const float* b, std::ptrdiff_t count, float* y, F&& f) {
  std::ptrdiff_t i = 0;
  for (; i + Vec::lanes <= count; i += Vec::lanes) store(y + i, f(load(a + i), load(b + i)));
  if (i < count) store_first(y + i, f(load_first(a + i, count - i), load_first(b + i, count - i)), count - i);
}

void activate(Activation kind, const float* x, std::ptrdiff_t count, float* y) {
  with_activation(kind, [&](auto activation) { map(x, count, y, activation); });
}

void normalize(const float* x, std::ptrdiff_t count, float mean, float std, float* y) {
  map(x, count, y, [&](Vec v) { return (v - set(mean)) / set(std); });
}

void activate_backward(Activation kind, const float* dy, const float* y, std::ptrdiff_t count, float* dx) {
  with_derivative(kind, [&](auto derivative) { map(dy, y, count, dx, derivative); });
}
