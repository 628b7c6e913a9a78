internal import Recurrent
internal import Tensors

extension ONNXExporter {
  mutating func export(_ layer: Layer) throws(ONNXError) {
    switch layer.operation {
    case .recurrent(let recurrent): return try exportRecurrent(layer, recurrent)
    case .generate(let generate): return try exportGenerate(layer, generate)
    case .dense(let dense): return try exportDense(layer, dense)
    case .convolution(let convolution): try exportConvolution(layer, convolution)
    case .pool(let pool): try exportPool(layer, pool)
    case .transposedConvolution(let convolution): try exportTransposedConvolution(layer, convolution)
    case .resize(let resize): try exportResize(layer, resize)
    case .padding(let padding): try exportPadding(layer, padding)
    case .gather(let gather): try exportGather(layer, gather)
    case .unfold(let unfold): try exportUnfold(layer, unfold)
    case .fold(let fold): try exportFold(layer, fold)
    case .reduce(let reduction): try exportReduction(layer, reduction)
    case .timeSoftmax: try exportTimeSoftmax(layer)
    case .repeated: try exportRepeat(layer)
    case .attention(let attention): try exportAttention(layer, attention)
    case .cumulativeSum(let sum): try exportCumulativeSum(layer, sum)
    case .select(let selection): return try exportSelect(layer, selection)
    case .embedding(let embedding): try exportEmbedding(layer, embedding)
    case .activation(let activation): try exportActivation(layer, activation)
    case .softmax, .logSoftmax: try exportSoftmax(layer)
    case .layerNormalization(let layerNormalization): try exportLayerNormalization(layer, layerNormalization)
    case .batchNormalization(let normalization): try exportBatchNormalization(layer, normalization)
    case .normalization(let normalization): try exportNormalization(layer, normalization)
    case .concat: try exportConcat(layer)
    case .slice(let slice): try exportSlice(layer, slice)
    case .arithmetic(let arithmetic) where arithmetic.operator.isComparison:
      try exportComparison(layer, arithmetic)
    case .arithmetic(let arithmetic): try exportArithmetic(layer, arithmetic)
    case .choice(let choice): try exportChoice(layer, choice)
    case .reverse: try exportReverse(layer)
    case .constant(let constant): try exportConstant(layer, constant)
    case .stepPacking(let packing): try exportStepPacking(layer, packing)
    case .dropout(let dropout): try exportDropout(layer, dropout)
    case .argMax: try exportArgMax(layer)
    }
    note(layer, .exact, layer.operation.name)
  }

  func result(_ layer: Layer) -> String { output(layer, 0) ?? layer.name }

  func anyHolder(_ value: String) -> Holder { holders[value]!.all.first! }

  /// A tensor that holds the major part of a value's features on an axis of its own, such as directions or layers.
  func stackedHolder(_ value: String) -> (holder: Holder, axis: Int, stride: Int)? {
    let features = kinds[value]!.features
    for holder in holders[value]?.all ?? [] {
      for (axis, factors) in holder.axes.enumerated() {
        if case .features(let stride, let count)? = factors.first, factors.count == 1, stride > 1,
          stride * count == features
        {
          return (holder, axis, stride)
        }
      }
    }
    return nil
  }
}
