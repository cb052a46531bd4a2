// Modes are enums: two bools side by side are soon swapped.
#pragma once

namespace convlet {

enum class Activation { None, Relu, Sigmoid, Tanh };
enum class Lanes { Images, Channels, Columns };  // the axis along a vector of 16
enum class Chain { Begin, Resume };              // of multiply-adds: from the bias, or on from y
enum class Store { Overwrite, Accumulate };
enum class AverageDivisor { Window, Pixels };  // count the padding (PyTorch's default), or pixels only
enum class Momentum { None, Classic, Nesterov };
enum class BufferState { Fresh, Carried };      // PyTorch's first step sets the momentum buffer to the gradient
enum class WeightDecay { Coupled, Decoupled };  // added to the gradient (Adam), or taken from the weight (AdamW)
enum class Reduction { None, Mean, Sum };

}  // namespace convlet
