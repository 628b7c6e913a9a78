extension Signature {
  /// The operators that the evaluator knows, by opset, as the onnx package defines them.
  ///
  /// Printed by Tests/judges/evaluator_signatures.py, and compared with it by a test. A line holds the name, the first
  /// opset that it is true of, inputs, outputs, and attributes with their defaults: `?` may be left out, `*` may
  /// repeat, `!` must be given.
  static let text = """
    Abs 7 X Y
    Acos 7 input output
    Acosh 9 input output
    Add 7 A,B C
    AffineGrid 20 theta,size grid align_corners:int=0
    And 7 A,B C
    ArgMax 7 data reduced axis:int=0 keepdims:int=1
    ArgMax 12 data reduced axis:int=0 keepdims:int=1 select_last_index:int=0
    ArgMin 7 data reduced axis:int=0 keepdims:int=1
    ArgMin 12 data reduced axis:int=0 keepdims:int=1 select_last_index:int=0
    Asin 7 input output
    Asinh 9 input output
    Atan 7 input output
    Atanh 9 input output
    Attention 23 Q,K,V,attn_mask?,past_key?,past_value? Y,present_key?,present_value?,qk_matmul_output? is_causal:int=0 kv_num_heads:int q_num_heads:int qk_matmul_output_mode:int=0 scale:float softcap:float=0.0 softmax_precision:int
    Attention 24 Q,K,V,attn_mask?,past_key?,past_value?,nonpad_kv_seqlen? Y,present_key?,present_value?,qk_matmul_output? is_causal:int=0 kv_num_heads:int q_num_heads:int qk_matmul_output_mode:int=0 scale:float softcap:float=0.0 softmax_precision:int
    Attention 25 Q,K,V,attn_mask?,past_key?,past_value?,nonpad_kv_seqlen? Y,present_key?,present_value?,qk_matmul_output? is_causal:int=0 kv_num_heads:int left_window_size:int=-1 q_num_heads:int qk_matmul_output_mode:int=0 right_window_size:int=-1 scale:float softcap:float=0.0 softmax_precision:int
    AveragePool 7 X Y auto_pad:string=NOTSET count_include_pad:int=0 kernel_shape:ints! pads:ints strides:ints
    AveragePool 10 X Y auto_pad:string=NOTSET ceil_mode:int=0 count_include_pad:int=0 kernel_shape:ints! pads:ints strides:ints
    AveragePool 19 X Y auto_pad:string=NOTSET ceil_mode:int=0 count_include_pad:int=0 dilations:ints kernel_shape:ints! pads:ints strides:ints
    BatchNormalization 7 X,scale,B,mean,var Y,mean?,var?,saved_mean?,saved_var? epsilon:float=9.999999747378752e-06 momentum:float=0.8999999761581421 spatial:int=1
    BatchNormalization 9 X,scale,B,mean,var Y,mean?,var?,saved_mean?,saved_var? epsilon:float=9.999999747378752e-06 momentum:float=0.8999999761581421
    BatchNormalization 14 X,scale,B,input_mean,input_var Y,running_mean?,running_var? epsilon:float=9.999999747378752e-06 momentum:float=0.8999999761581421 training_mode:int=0
    BitShift 11 X,Y Z direction:string!
    BitwiseAnd 18 A,B C
    BitwiseNot 18 X Y
    BitwiseOr 18 A,B C
    BitwiseXor 18 A,B C
    BlackmanWindow 17 size output output_datatype:int=1 periodic:int=1
    Cast 7 input output to:int!
    Cast 19 input output saturate:int=1 to:int!
    Cast 24 input output round_mode:string=up saturate:int=1 to:int!
    CastLike 15 input,target_type output
    CastLike 19 input,target_type output saturate:int=1
    CastLike 24 input,target_type output round_mode:string=up saturate:int=1
    Ceil 7 X Y
    Celu 12 X Y alpha:float=1.0
    CenterCropPad 18 input_data,shape output_data axes:ints
    Clip 7 input output max:float=3.4028234663852886e+38 min:float=-3.4028234663852886e+38
    Clip 11 input,min?,max? output
    Col2Im 18 input,image_shape,block_shape output dilations:ints pads:ints strides:ints
    Compress 9 input,condition output axis:int
    Concat 7 inputs* concat_result axis:int!
    ConcatFromSequence 11 input_sequence concat_result axis:int! new_axis:int=0
    Constant 7 - output value:tensor!
    Constant 11 - output sparse_value:sparse_tensor value:tensor
    Constant 12 - output sparse_value:sparse_tensor value:tensor value_float:float value_floats:floats value_int:int value_ints:ints value_string:string value_strings:strings
    ConstantOfShape 9 input output value:tensor
    Conv 7 X,W,B? Y auto_pad:string=NOTSET dilations:ints group:int=1 kernel_shape:ints pads:ints strides:ints
    ConvTranspose 7 X,W,B? Y auto_pad:string=NOTSET dilations:ints group:int=1 kernel_shape:ints output_padding:ints output_shape:ints pads:ints strides:ints
    Cos 7 input output
    Cosh 9 input output
    CumSum 11 x,axis y exclusive:int=0 reverse:int=0
    DFT 17 input,dft_length? output axis:int=1 inverse:int=0 onesided:int=0
    DFT 20 input,dft_length?,axis? output inverse:int=0 onesided:int=0
    DepthToSpace 7 input output blocksize:int!
    DepthToSpace 11 input output blocksize:int! mode:string=DCR
    Div 7 A,B C
    Dropout 7 data output,mask? ratio:float=0.5
    Dropout 12 data,ratio?,training_mode? output,mask? seed:int
    Einsum 12 Inputs* Output equation:string!
    Elu 7 X Y alpha:float=1.0
    Equal 7 A,B C
    Erf 9 input output
    Exp 7 input output
    Expand 8 input,shape output
    EyeLike 9 input output dtype:int k:int=0
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
    GlobalAveragePool 7 X Y
    GlobalLpPool 7 X Y p:int=2
    GlobalMaxPool 7 X Y
    Greater 7 A,B C
    GreaterOrEqual 12 A,B C
    GridSample 16 X,grid Y align_corners:int=0 mode:string=bilinear padding_mode:string=zeros
    GridSample 20 X,grid Y align_corners:int=0 mode:string=linear padding_mode:string=zeros
    GroupNormalization 18 X,scale,bias Y epsilon:float=9.999999747378752e-06 num_groups:int!
    GroupNormalization 21 X,scale,bias Y epsilon:float=9.999999747378752e-06 num_groups:int! stash_type:int=1
    HammingWindow 17 size output output_datatype:int=1 periodic:int=1
    HannWindow 17 size output output_datatype:int=1 periodic:int=1
    HardSigmoid 7 X Y alpha:float=0.20000000298023224 beta:float=0.5
    HardSwish 14 X Y
    Hardmax 7 input output axis:int=1
    Hardmax 13 input output axis:int=-1
    Identity 7 input output
    If 7 cond outputs* else_branch:graph! then_branch:graph!
    InstanceNormalization 7 input,scale,B output epsilon:float=9.999999747378752e-06
    IsInf 10 X Y detect_negative:int=1 detect_positive:int=1
    IsNaN 9 X Y
    LRN 7 X Y alpha:float=9.999999747378752e-05 beta:float=0.75 bias:float=1.0 size:int!
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
    LpNormalization 7 input output axis:int=-1 p:int=2
    LpPool 7 X Y auto_pad:string=NOTSET kernel_shape:ints! p:int=2 pads:ints strides:ints
    LpPool 18 X Y auto_pad:string=NOTSET ceil_mode:int=0 dilations:ints kernel_shape:ints! p:int=2 pads:ints strides:ints
    MatMul 7 A,B Y
    Max 7 data_0* max
    MaxPool 7 X Y auto_pad:string=NOTSET kernel_shape:ints! pads:ints strides:ints
    MaxPool 8 X Y,Indices? auto_pad:string=NOTSET kernel_shape:ints! pads:ints storage_order:int=0 strides:ints
    MaxPool 10 X Y,Indices? auto_pad:string=NOTSET ceil_mode:int=0 dilations:ints kernel_shape:ints! pads:ints storage_order:int=0 strides:ints
    Mean 7 data_0* mean
    MeanVarianceNormalization 9 X Y axes:ints=0|2|3
    MelWeightMatrix 17 num_mel_bins,dft_length,sample_rate,lower_edge_hertz,upper_edge_hertz output output_datatype:int=1
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
    RMSNormalization 23 X,scale Y axis:int=-1 epsilon:float=9.999999747378752e-06 stash_type:int=1
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
    Resize 10 X,scales Y mode:string=nearest
    Resize 11 X,roi,scales,sizes? Y coordinate_transformation_mode:string=half_pixel cubic_coeff_a:float=-0.75 exclude_outside:int=0 extrapolation_value:float=0.0 mode:string=nearest nearest_mode:string=round_prefer_floor
    Resize 13 X,roi?,scales?,sizes? Y coordinate_transformation_mode:string=half_pixel cubic_coeff_a:float=-0.75 exclude_outside:int=0 extrapolation_value:float=0.0 mode:string=nearest nearest_mode:string=round_prefer_floor
    Resize 18 X,roi?,scales?,sizes? Y antialias:int=0 axes:ints coordinate_transformation_mode:string=half_pixel cubic_coeff_a:float=-0.75 exclude_outside:int=0 extrapolation_value:float=0.0 keep_aspect_ratio_policy:string=stretch mode:string=nearest nearest_mode:string=round_prefer_floor
    ReverseSequence 10 input,sequence_lens Y batch_axis:int=1 time_axis:int=0
    RotaryEmbedding 23 X,cos_cache,sin_cache,position_ids? Y interleaved:int=0 num_heads:int rotary_embedding_dim:int=0
    Round 11 X Y
    STFT 17 signal,frame_step,window?,frame_length? output onesided:int=1
    Scan 8 sequence_lens?,initial_state_and_scan_inputs* final_state_and_scan_outputs* body:graph! directions:ints num_scan_inputs:int!
    Scan 9 initial_state_and_scan_inputs* final_state_and_scan_outputs* body:graph! num_scan_inputs:int! scan_input_axes:ints scan_input_directions:ints scan_output_axes:ints scan_output_directions:ints
    Scatter 9 data,indices,updates output axis:int=0
    Scatter 11 - - deprecated
    ScatterElements 11 data,indices,updates output axis:int=0
    ScatterElements 16 data,indices,updates output axis:int=0 reduction:string=none
    ScatterND 11 data,indices,updates output
    ScatterND 16 data,indices,updates output reduction:string=none
    Selu 7 X Y alpha:float=1.6732631921768188 gamma:float=1.0507010221481323
    SequenceAt 11 input_sequence,position tensor
    SequenceConstruct 11 inputs* output_sequence
    SequenceEmpty 11 - output dtype:int
    SequenceErase 11 input_sequence,position? output_sequence
    SequenceInsert 11 input_sequence,tensor,position? output_sequence
    SequenceLength 11 input_sequence length
    Shape 7 data shape
    Shape 15 data shape end:int start:int=0
    Shrink 9 input output bias:float=0.0 lambd:float=0.5
    Sigmoid 7 X Y
    Sign 9 input output
    SimplifiedLayerNormalization 7 X,scale Y,inv_std_var? axis:int=-1 epsilon:float=9.999999747378752e-06 stash_type:int=1
    Sin 7 input output
    Sinh 9 input output
    Size 7 data size
    Slice 7 data output axes:ints ends:ints! starts:ints!
    Slice 10 data,starts,ends,axes?,steps? output
    Softmax 7 input output axis:int=1
    Softmax 13 input output axis:int=-1
    Softplus 7 X Y
    Softsign 7 input output
    SpaceToDepth 7 input output blocksize:int!
    SpaceToDepth 28 input output blocksize:int! mode:string=DCR
    Split 7 input outputs* axis:int=0 split:ints
    Split 13 input,split? outputs* axis:int=0
    Split 18 input,split? outputs* axis:int=0 num_outputs:int
    SplitToSequence 11 input,split? output_sequence axis:int=0 keepdims:int=1
    Sqrt 7 X Y
    Squeeze 7 data squeezed axes:ints
    Squeeze 13 data,axes? squeezed
    Sub 7 A,B C
    Sum 7 data_0* sum
    Swish 24 X Y alpha:float=1.0
    Tan 7 input output
    Tanh 7 input output
    ThresholdedRelu 10 X Y alpha:float=1.0
    Tile 7 input,repeats output
    TopK 7 X Values,Indices axis:int=-1 k:int!
    TopK 10 X,K Values,Indices axis:int=-1
    TopK 11 X,K Values,Indices axis:int=-1 largest:int=1 sorted:int=1
    Transpose 7 data transposed perm:ints
    Trilu 14 input,k? output upper:int=1
    Unsqueeze 7 data expanded axes:ints!
    Unsqueeze 13 data,axes expanded
    Upsample 7 X Y mode:string=nearest scales:floats!
    Upsample 9 X,scales Y mode:string=nearest
    Upsample 10 - - deprecated
    Where 9 condition,X,Y output
    Xor 7 A,B C
    com.microsoft.Attention 7 input,weights,bias?,mask_index?,past?,attention_bias?,past_sequence_length? output,present? do_rotary:int mask_filter_value:float num_heads:int! past_present_share_buffer:int qkv_hidden_sizes:ints rotary_embedding_dim:int scale:float unidirectional:int=0
    com.microsoft.BiasGelu 7 A,B C
    com.microsoft.FastGelu 7 X,bias? Y
    com.microsoft.FusedConv 7 X,W,B?,Z? Y activation:string activation_params:floats auto_pad:string=NOTSET dilations:ints group:int=1 kernel_shape:ints pads:ints strides:ints
    com.microsoft.FusedGemm 7 A,B,C? Y activation:string activation_alpha:float activation_beta:float activation_gamma:float alpha:float=1.0 beta:float=1.0 transA:int=0 transB:int=0
    com.microsoft.FusedMatMul 7 A,B Y alpha:float=1.0 transA:int=0 transB:int=0 transBatchA:int=0 transBatchB:int=0
    com.microsoft.Gelu 7 X Y
    com.microsoft.MultiHeadAttention 7 query,key?,value?,bias?,key_padding_mask?,attention_bias?,past_key?,past_value?,past_sequence_length?,cache_indirection? output,present_key?,present_value?,qk? mask_filter_value:float num_heads:int! scale:float unidirectional:int=0
    com.microsoft.QuickGelu 7 X Y alpha:float=1.7020000219345093
    com.microsoft.SkipLayerNormalization 7 input,skip,gamma,beta?,bias? output,mean?,inv_std_var?,input_skip_bias_sum? epsilon:float=9.999999960041972e-13
    com.microsoft.SkipSimplifiedLayerNormalization 7 input,skip,gamma,bias? output,mean?,inv_std_var?,input_skip_bias_sum? epsilon:float=9.999999960041972e-13
    """
}
