// The block in registers that every correlation is made of: M values times P vectors, tap after tap.
//
//   y[m][p] = start + sum over taps t, in order, of a[t + m] b[t + p],  m = 0..M-1, p = 0..P-1
//
// a is broadcast, b is a vector of 16 lanes. What the three are is up to the caller: with images in the lanes a holds
// the weights of M output channels and b the pixels of P positions; with output channels in the lanes a holds the
// pixels of M positions and b the weights of P times 16 channels. Every y is one chain of fused multiply-adds, so M and
// P change the speed and never a bit.
//
// A tap costs M + P loads for M * P multiply-adds. The offsets of one channel's taps are read from a table, over and
// over for all channels, in one loop without a branch but its end: loops over channel, row and column, five times round
// each, were mispredicted often enough to cost a tenth of the speed.

struct Block {
  const float *a, *b;  // at offset 0 of the taps
  const float* bias;   // M values that the sums begin with,
  const float* start;  // or P vectors; null: zeros
  float* y;
  const Tap* taps;  // of a channel
  std::ptrdiff_t tap_count, channels;
  std::ptrdiff_t a_channel, b_channel;      // from channel to channel
  std::ptrdiff_t a_step, b_step, y_m, y_p;  // from m to m, from p to p
  Chain chain;
};

template <int M, int P>
CONVLET_INLINE void begin_block(const Block& b, int lane, Vec (&sum)[M][P]) {
  if (b.chain == Chain::Resume) {
    CONVLET_UNROLL for (int m = 0; m < M; ++m) {
      CONVLET_UNROLL for (int p = 0; p < P; ++p) sum[m][p] = load(b.y + m * b.y_m + p * b.y_p + lane);
    }
  } else if (b.start) {
    CONVLET_UNROLL for (int p = 0; p < P; ++p) {
      const Vec start = load(b.start + p * kTile + lane);
      CONVLET_UNROLL for (int m = 0; m < M; ++m) sum[m][p] = start;
    }
  } else {
    CONVLET_UNROLL for (int m = 0; m < M; ++m) {
      const Vec start = set(b.bias ? b.bias[m] : 0.0f);
      CONVLET_UNROLL for (int p = 0; p < P; ++p) sum[m][p] = start;
    }
  }
}

template <int M, int P>
CONVLET_INLINE void end_block(const Block& b, int lane, Vec (&sum)[M][P]) {
  float* const y = b.y + lane;
  const std::ptrdiff_t y_m = b.y_m, y_p = b.y_p;
  CONVLET_UNROLL for (int m = 0; m < M; ++m) {
    CONVLET_UNROLL for (int p = 0; p < P; ++p) store(y + m * y_m + p * y_p, sum[m][p]);
  }
}

constexpr std::ptrdiff_t kAhead = 12;  // channels from which long columns of broadcast values are fetched ahead

// Step: from one broadcast value to the next, where it is known; 0: a_step says it.
template <int M, int P, int Step>
void correlate_block(const Block& b) {
  for (int lane = 0; lane < kTile; lane += Vec::lanes) {
    Vec sum[M][P];
    begin_block<M, P>(b, lane, sum);
    const float *a = b.a, *v = b.b + lane;
    const std::ptrdiff_t a_step = Step ? Step : b.a_step, b_step = b.b_step;
    const std::ptrdiff_t a_channel = b.a_channel, v_channel = b.b_channel, tap_count = b.tap_count;
    const Tap *tap = b.taps, *const end = tap + tap_count;
    [[maybe_unused]] const std::ptrdiff_t ahead = kAhead * a_channel;
    for (std::ptrdiff_t rest = tap_count * b.channels; rest > 0; --rest) {
      const float *broadcast = a + tap->a, *vectors = v + tap->b;
      keep(broadcast);
      keep(vectors);
      if constexpr (P == 1 && M >= 12) {
        __builtin_prefetch(broadcast + ahead);
        if constexpr (M > 16) __builtin_prefetch(broadcast + ahead + 16);
      }
      if (++tap == end) {
        tap = b.taps;
        a += a_channel;
        v += v_channel;
      }
      // The fewer operands wait in registers, the others pass through one.
      if constexpr (M < P) {
        Vec value[M];
        CONVLET_UNROLL for (int m = 0; m < M; ++m) value[m] = set(broadcast[m * a_step]);
        CONVLET_UNROLL for (int p = 0; p < P; ++p) {
          Vec vector = load(vectors + p * b_step);
          keep(vector);
          CONVLET_UNROLL for (int m = 0; m < M; ++m) sum[m][p] = fma(value[m], vector, sum[m][p]);
        }
      } else {
        Vec vector[P];
        CONVLET_UNROLL for (int p = 0; p < P; ++p) {
          vector[p] = load(vectors + p * b_step);
          keep(vector[p]);
        }
        CONVLET_UNROLL for (int m = 0; m < M; ++m) {
          const Vec value = set(broadcast[m * a_step]);
          CONVLET_UNROLL for (int p = 0; p < P; ++p) sum[m][p] = fma(value, vector[p], sum[m][p]);
        }
      }
    }
    end_block<M, P>(b, lane, sum);
  }
}

using BlockKernel = void (*)(const Block&);

struct BlockTable {
  BlockKernel at[kMaxBlock + 1][kMaxPositions + 1];
};

constexpr int max_positions(int m) { return smaller(kMaxPositions, block_width(kRegisters, m)); }

template <int M, int P, int Step, int MaxM>
constexpr void fill(BlockTable& table) {
  table.at[M][P] = correlate_block<M, P, Step>;
  if constexpr (P < max_positions(M)) {
    fill<M, P + 1, Step, MaxM>(table);
  } else if constexpr (M < MaxM) {
    fill<M + 1, 1, Step, MaxM>(table);
  }
}

template <int Step, int MaxM>
constexpr BlockTable make_blocks() {
  BlockTable table{};
  fill<1, 1, Step, MaxM>(table);
  return table;
}

constexpr int kMaxStrided = 8;  // values any step apart, each of which takes an address of its own

// Broadcast values of a block of p vectors.
constexpr int max_values(int p, bool neighbours) {
  return smaller(neighbours ? kMaxBlock : kMaxStrided, block_width(kRegisters, p));
}

constexpr BlockTable kBlocks = make_blocks<1, kMaxBlock>();
constexpr BlockTable kStridedBlocks = make_blocks<0, kMaxStrided>();
