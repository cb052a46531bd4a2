// Between images, each contiguous (size values), and a tile [size][16 images]: transposed block by block.

// Values i .. i + L - 1 of L images become L rows of the tile; rest < L values of the last block.
template <class Load>
CONVLET_INLINE void pack(std::ptrdiff_t size, float* tile, Load&& load_values) {
  constexpr int L = Vec::lanes;
  for (std::ptrdiff_t i = 0; i < size; i += L) {
    const int rest = static_cast<int>(size - i < L ? size - i : L);
    for (int lane = 0; lane < kTile; lane += L) {
      Vec rows[L];
      CONVLET_UNROLL for (int n = 0; n < L; ++n) rows[n] = load_values(lane + n, i, rest);
      transpose(rows);
      CONVLET_UNROLL for (int r = 0; r < L; ++r) {
        if (r < rest) store(tile + (i + r) * kTile + lane, rows[r]);
      }
    }
  }
}

// Pixels 0..255 become value / 255, correctly rounded.
void pack_bytes(const std::uint8_t* const* images, std::ptrdiff_t size, float* tile) {
  constexpr int L = Vec::lanes;
  pack(size, tile, [&](int n, std::ptrdiff_t i, int rest) {
    if (!images[n]) return set(0.0f);
    if (rest == L) return load_bytes(images[n] + i) / set(255.0f);
    std::uint8_t last[L] = {};
    for (int k = 0; k < rest; ++k) last[k] = images[n][i + k];
    return load_bytes(last) / set(255.0f);
  });
}

void pack_floats(const float* const* images, std::ptrdiff_t size, float* tile) {
  pack(size, tile, [&](int n, std::ptrdiff_t i, int rest) {
    if (!images[n]) return set(0.0f);
    return rest == Vec::lanes ? load(images[n] + i) : load_first(images[n] + i, rest);
  });
}

void unpack(const float* tile, std::ptrdiff_t size, float* const* images) {
  constexpr int L = Vec::lanes;
  for (std::ptrdiff_t i = 0; i < size; i += L) {
    const int rest = static_cast<int>(size - i < L ? size - i : L);
    for (int lane = 0; lane < kTile; lane += L) {
      Vec rows[L];
      CONVLET_UNROLL for (int r = 0; r < L; ++r) {
        rows[r] = r < rest ? load(tile + (i + r) * kTile + lane) : set(0.0f);
      }
      transpose(rows);
      CONVLET_UNROLL for (int n = 0; n < L; ++n) {
        if (!images[lane + n]) continue;
        if (rest == L) {
          store(images[lane + n] + i, rows[n]);
        } else {
          store_first(images[lane + n] + i, rows[n], rest);
        }
      }
    }
  }
}

void repeat(const float* lanes, std::ptrdiff_t size, float* tile) {
  for (int lane = 0; lane < kTile; lane += Vec::lanes) {
    const Vec value = load(lanes + lane);
    for (std::ptrdiff_t i = 0; i < size; ++i) store(tile + i * kTile + lane, value);
  }
}
