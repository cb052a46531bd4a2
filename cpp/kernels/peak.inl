// The most that the multiply-add units can do: the yardstick of the benchmarks.
//
//   a_i = a_i x + y,   i = 0..kAccumulators-1, `rounds` times over
//
// The chains are independent and stay in registers, and there are more of them than a unit's latency times the units
// of any CPU so far (5 x 2), so nothing but the units' rate limits the loop. kAccumulators * Vec::lanes multiply-adds
// a round. Returns the sum of the a_i, so that no compiler may leave them out.
float peak(std::int64_t rounds) {
  Vec a[kAccumulators];
  CONVLET_UNROLL
  for (int i = 0; i < kAccumulators; ++i) a[i] = set(static_cast<float>(i));
  const Vec x = set(0.5f), y = set(1.0f);  // converges to 2: no overflow and no subnormal number
  for (std::int64_t round = 0; round < rounds; ++round) {
    CONVLET_UNROLL
    for (int i = 0; i < kAccumulators; ++i) a[i] = fma(a[i], x, y);
  }
  float sums[Vec::lanes], sum = 0.0f;
  for (int i = 1; i < kAccumulators; ++i) a[0] = a[0] + a[i];
  store(sums, a[0]);
  for (const float value : sums) sum += value;
  return sum;
}
