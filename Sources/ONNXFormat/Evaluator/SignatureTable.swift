extension Signature {
  /// The operators that the evaluator knows, by opset, as the onnx package defines them.
  ///
  /// Printed by Tests/judges/evaluator_signatures.py, and compared with it by a test. A line holds the name, the first
  /// opset that it is true of, inputs, outputs, and attributes with their defaults: `?` may be left out, `*` may
  /// repeat, `!` must be given.
  static let text = """
    Abs 7 X Y
    Add 7 A,B C
    And 7 A,B C
    ArgMax 7 data reduced axis:int=0 keepdims:int=1
    ArgMax 12 data reduced axis:int=0 keepdims:int=1 select_last_index:int=0
    ArgMin 7 data reduced axis:int=0 keepdims:int=1
    ArgMin 12 data reduced axis:int=0 keepdims:int=1 select_last_index:int=0
    BatchNormalization 7 X,scale,B,mean,var Y,mean?,var?,saved_mean?,saved_var? epsilon:float=9.999999747378752e-06 momentum:float=0.8999999761581421 spatial:int=1
    BatchNormalization 9 X,scale,B,mean,var Y,mean?,var?,saved_mean?,saved_var? epsilon:float=9.999999747378752e-06 momentum:float=0.8999999761581421
    BatchNormalization 14 X,scale,B,input_mean,input_var Y,running_mean?,running_var? epsilon:float=9.999999747378752e-06 momentum:float=0.8999999761581421 training_mode:int=0
    Cast 7 input output to:int!
    Cast 19 input output saturate:int=1 to:int!
    Cast 24 input output round_mode:string=up saturate:int=1 to:int!
    CastLike 15 input,target_type output
    CastLike 19 input,target_type output saturate:int=1
    CastLike 24 input,target_type output round_mode:string=up saturate:int=1
    Ceil 7 X Y
    Celu 12 X Y alpha:float=1.0
    Clip 7 input output max:float=3.4028234663852886e+38 min:float=-3.4028234663852886e+38
    Clip 11 input,min?,max? output
    Concat 7 inputs* concat_result axis:int!
    Constant 7 - output value:tensor!
    Constant 11 - output sparse_value:sparse_tensor value:tensor
    Constant 12 - output sparse_value:sparse_tensor value:tensor value_float:float value_floats:floats value_int:int value_ints:ints value_string:string value_strings:strings
    ConstantOfShape 9 input output value:tensor
    Cos 7 input output
    CumSum 11 x,axis y exclusive:int=0 reverse:int=0
    Div 7 A,B C
    Dropout 7 data output,mask? ratio:float=0.5
    Dropout 12 data,ratio?,training_mode? output,mask? seed:int
    Einsum 12 Inputs* Output equation:string!
    Elu 7 X Y alpha:float=1.0
    Equal 7 A,B C
    Erf 9 input output
    Exp 7 input output
    Expand 8 input,shape output
    Flatten 7 input output axis:int=1
    Floor 7 X Y
    GRU 7 X,W,R,B?,sequence_lens?,initial_h? Y?,Y_h? activation_alpha:floats activation_beta:floats activations:strings clip:float direction:string=forward hidden_size:int linear_before_reset:int=0
    GRU 14 X,W,R,B?,sequence_lens?,initial_h? Y?,Y_h? activation_alpha:floats activation_beta:floats activations:strings clip:float direction:string=forward hidden_size:int layout:int=0 linear_before_reset:int=0
    Gather 7 data,indices output axis:int=0
    GatherElements 11 data,indices output axis:int=0
    GatherND 11 data,indices output
    GatherND 12 data,indices output batch_dims:int=0
    Gelu 20 X Y approximate:string=none
    Gemm 7 A,B,C Y alpha:float=1.0 beta:float=1.0 transA:int=0 transB:int=0
    Gemm 11 A,B,C? Y alpha:float=1.0 beta:float=1.0 transA:int=0 transB:int=0
    Greater 7 A,B C
    GreaterOrEqual 12 A,B C
    HardSigmoid 7 X Y alpha:float=0.20000000298023224 beta:float=0.5
    HardSwish 14 X Y
    Identity 7 input output
    If 7 cond outputs* else_branch:graph! then_branch:graph!
    IsNaN 9 X Y
    LSTM 7 X,W,R,B?,sequence_lens?,initial_h?,initial_c?,P? Y?,Y_h?,Y_c? activation_alpha:floats activation_beta:floats activations:strings clip:float direction:string=forward hidden_size:int input_forget:int=0
    LSTM 14 X,W,R,B?,sequence_lens?,initial_h?,initial_c?,P? Y?,Y_h?,Y_c? activation_alpha:floats activation_beta:floats activations:strings clip:float direction:string=forward hidden_size:int input_forget:int=0 layout:int=0
    LayerNormalization 17 X,Scale,B? Y,Mean?,InvStdDev? axis:int=-1 epsilon:float=9.999999747378752e-06 stash_type:int=1
    LeakyRelu 7 X Y alpha:float=0.009999999776482582
    Less 7 A,B C
    LessOrEqual 12 A,B C
    Log 7 input output
    LogSoftmax 7 input output axis:int=1
    LogSoftmax 13 input output axis:int=-1
    Loop 7 M?,cond?,v_initial* v_final_and_scan_outputs* body:graph!
    MatMul 7 A,B Y
    Max 7 data_0* max
    Mean 7 data_0* mean
    Min 7 data_0* min
    Mish 18 X Y
    Mod 10 A,B C fmod:int=0
    Mul 7 A,B C
    Neg 7 X Y
    NonZero 9 X Y
    Not 7 X Y
    OneHot 9 indices,depth,values output axis:int=-1
    Or 7 A,B C
    PRelu 7 X,slope Y
    Pad 7 data output mode:string=constant pads:ints! value:float=0.0
    Pad 11 data,pads,constant_value? output mode:string=constant
    Pad 18 data,pads,constant_value?,axes? output mode:string=constant
    Pow 7 X,Y Z
    RNN 7 X,W,R,B?,sequence_lens?,initial_h? Y?,Y_h? activation_alpha:floats activation_beta:floats activations:strings=Tanh|Tanh clip:float direction:string=forward hidden_size:int
    RNN 14 X,W,R,B?,sequence_lens?,initial_h? Y?,Y_h? activation_alpha:floats activation_beta:floats activations:strings=Tanh|Tanh clip:float direction:string=forward hidden_size:int layout:int=0
    Range 11 start,limit,delta output
    Range 27 start,limit,delta output stash_type:int=1
    Reciprocal 7 X Y
    ReduceL1 7 data reduced axes:ints keepdims:int=1
    ReduceL1 18 data,axes? reduced keepdims:int=1 noop_with_empty_axes:int=0
    ReduceL2 7 data reduced axes:ints keepdims:int=1
    ReduceL2 18 data,axes? reduced keepdims:int=1 noop_with_empty_axes:int=0
    ReduceLogSum 7 data reduced axes:ints keepdims:int=1
    ReduceLogSum 18 data,axes? reduced keepdims:int=1 noop_with_empty_axes:int=0
    ReduceLogSumExp 7 data reduced axes:ints keepdims:int=1
    ReduceLogSumExp 18 data,axes? reduced keepdims:int=1 noop_with_empty_axes:int=0
    ReduceMax 7 data reduced axes:ints keepdims:int=1
    ReduceMax 18 data,axes? reduced keepdims:int=1 noop_with_empty_axes:int=0
    ReduceMean 7 data reduced axes:ints keepdims:int=1
    ReduceMean 18 data,axes? reduced keepdims:int=1 noop_with_empty_axes:int=0
    ReduceMin 7 data reduced axes:ints keepdims:int=1
    ReduceMin 18 data,axes? reduced keepdims:int=1 noop_with_empty_axes:int=0
    ReduceProd 7 data reduced axes:ints keepdims:int=1
    ReduceProd 18 data,axes? reduced keepdims:int=1 noop_with_empty_axes:int=0
    ReduceSum 7 data reduced axes:ints keepdims:int=1
    ReduceSum 13 data,axes? reduced keepdims:int=1 noop_with_empty_axes:int=0
    ReduceSumSquare 7 data reduced axes:ints keepdims:int=1
    ReduceSumSquare 18 data,axes? reduced keepdims:int=1 noop_with_empty_axes:int=0
    Relu 7 X Y
    Reshape 7 data,shape reshaped
    Reshape 14 data,shape reshaped allowzero:int=0
    ReverseSequence 10 input,sequence_lens Y batch_axis:int=1 time_axis:int=0
    Round 11 X Y
    Scan 8 sequence_lens?,initial_state_and_scan_inputs* final_state_and_scan_outputs* body:graph! directions:ints num_scan_inputs:int!
    Scan 9 initial_state_and_scan_inputs* final_state_and_scan_outputs* body:graph! num_scan_inputs:int! scan_input_axes:ints scan_input_directions:ints scan_output_axes:ints scan_output_directions:ints
    ScatterElements 11 data,indices,updates output axis:int=0
    ScatterElements 16 data,indices,updates output axis:int=0 reduction:string=none
    ScatterND 11 data,indices,updates output
    ScatterND 16 data,indices,updates output reduction:string=none
    Selu 7 X Y alpha:float=1.6732631921768188 gamma:float=1.0507010221481323
    Shape 7 data shape
    Shape 15 data shape end:int start:int=0
    Sigmoid 7 X Y
    Sign 9 input output
    Sin 7 input output
    Size 7 data size
    Slice 7 data output axes:ints ends:ints! starts:ints!
    Slice 10 data,starts,ends,axes?,steps? output
    Softmax 7 input output axis:int=1
    Softmax 13 input output axis:int=-1
    Softplus 7 X Y
    Softsign 7 input output
    Split 7 input outputs* axis:int=0 split:ints
    Split 13 input,split? outputs* axis:int=0
    Split 18 input,split? outputs* axis:int=0 num_outputs:int
    Sqrt 7 X Y
    Squeeze 7 data squeezed axes:ints
    Squeeze 13 data,axes? squeezed
    Sub 7 A,B C
    Sum 7 data_0* sum
    Swish 24 X Y alpha:float=1.0
    Tanh 7 input output
    ThresholdedRelu 10 X Y alpha:float=1.0
    Tile 7 input,repeats output
    Transpose 7 data transposed perm:ints
    Trilu 14 input,k? output upper:int=1
    Unsqueeze 7 data expanded axes:ints!
    Unsqueeze 13 data,axes expanded
    Where 9 condition,X,Y output
    Xor 7 A,B C
    """
}
