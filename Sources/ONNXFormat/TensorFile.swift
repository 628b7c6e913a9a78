public import ByteIO
public import Tensors

public func decodeTensor(_ bytes: ByteBuffer) throws(ONNXError) -> (name: String, tensor: Tensor) {
  throw .noGraph
}
