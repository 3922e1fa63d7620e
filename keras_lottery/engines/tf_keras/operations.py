"""Which operations of TensorFlow a model from a file may hold: those that compute numbers from tensors.

tf_keras looks a name up in all of TensorFlow, which also reads files and runs code. None of these does.
"""

_OF = {
    "": """argsort batch_to_space bitcast boolean_mask broadcast_to cast clip_by_norm clip_by_value
        concat convert_to_tensor cumsum dynamic_partition dynamic_stitch einsum ensure_shape expand_dims
        extract_volume_patches eye fill gather gather_nd identity identity_n linspace meshgrid norm
        one_hot ones ones_like pad range rank realdiv repeat reshape reverse reverse_sequence roll
        scatter_nd searchsorted sequence_mask shape size slice sort space_to_batch space_to_batch_nd split
        squeeze stack stop_gradient strided_slice tensor_scatter_nd_add tensor_scatter_nd_max
        tensor_scatter_nd_min tensor_scatter_nd_sub tensor_scatter_nd_update tensordot tile transpose
        truncatediv truncatemod unstack where zeros zeros_like""",
    "__operators__": "add eq getitem ne ragged_getitem",
    "bitwise": "bitwise_and bitwise_or bitwise_xor invert left_shift right_shift",
    "dtypes": "complex saturate_cast",
    "image": """adjust_brightness adjust_contrast adjust_gamma adjust_hue adjust_saturation central_crop
        convert_image_dtype crop_and_resize crop_to_bounding_box extract_glimpse extract_patches
        flip_left_right flip_up_down grayscale_to_rgb hsv_to_rgb image_gradients pad_to_bounding_box
        per_image_standardization resize resize_bicubic resize_bilinear resize_nearest_neighbor
        resize_with_crop_or_pad resize_with_pad rgb_to_grayscale rgb_to_hsv rgb_to_yiq rgb_to_yuv rot90
        sobel_edges total_variation transpose yiq_to_rgb yuv_to_rgb""",
    "linalg": """adjoint band_part cross det diag diag_part eye inv l2_normalize logdet matmul
        matrix_transpose matvec norm normalize pinv set_diag slogdet solve tensor_diag tensor_diag_part
        tensordot trace triangular_solve""",
    "math": """abs accumulate_n acos acosh add add_n angle argmax argmin asin asinh atan atan2 atanh
        bessel_i0 bessel_i0e bessel_i1 bessel_i1e ceil conj cos cosh count_nonzero cumprod cumsum
        cumulative_logsumexp digamma divide divide_no_nan equal erf erfc erfcinv erfinv exp expm1 floor
        floordiv floormod greater greater_equal imag is_finite is_inf is_nan l2_normalize lbeta less
        less_equal lgamma log log1p log_sigmoid logical_and logical_not logical_or logical_xor maximum
        mean minimum mod multiply multiply_no_nan ndtri negative nextafter not_equal polyval pow real
        reciprocal reciprocal_no_nan reduce_all reduce_any reduce_euclidean_norm reduce_logsumexp
        reduce_max reduce_mean reduce_min reduce_prod reduce_std reduce_sum reduce_variance rint round
        rsqrt scalar_mul segment_max segment_mean segment_min segment_prod segment_sum sigmoid sign sin
        sinh softmax softplus softsign sqrt square squared_difference subtract tan tanh top_k truediv
        unsorted_segment_max unsorted_segment_mean unsorted_segment_min unsorted_segment_prod
        unsorted_segment_sqrt_n unsorted_segment_sum xdivy xlog1py xlogy zero_fraction""",
    "nn": """atrous_conv2d atrous_conv2d_transpose avg_pool avg_pool1d avg_pool2d avg_pool3d
        batch_normalization bias_add conv1d conv1d_transpose conv2d conv2d_transpose conv3d
        conv3d_transpose conv_transpose convolution crelu depth_to_space depthwise_conv2d dilation2d
        dropout elu embedding_lookup erosion2d gelu l2_loss l2_normalize leaky_relu
        local_response_normalization log_softmax max_pool max_pool1d max_pool2d max_pool3d
        max_pool_with_argmax moments pool relu relu6 selu separable_conv2d sigmoid silu softmax softplus
        softsign space_to_depth swish tanh with_space_to_batch zero_fraction""",
    "quantization": """dequantize fake_quant_with_min_max_args fake_quant_with_min_max_vars
        fake_quant_with_min_max_vars_per_channel quantize quantize_and_dequantize
        quantize_and_dequantize_v2""",
    "random": """normal poisson shuffle stateless_normal stateless_truncated_normal stateless_uniform
        truncated_normal uniform""",
    "signal": """dct fft fft2d fft3d fftshift frame idct ifft ifft2d ifft3d ifftshift irfft irfft2d
        irfft3d mdct mfccs_from_log_mel_spectrograms overlap_and_add rfft rfft2d rfft3d stft""",
    "strings": """as_string bytes_split join length lower ngrams reduce_join regex_full_match
        regex_replace split strip substr to_hash_bucket to_hash_bucket_fast to_hash_bucket_strong
        to_number unicode_split upper""",
    "keras.activations": """elu exponential gelu hard_sigmoid linear mish relu selu sigmoid softmax softplus
        softsign swish tanh""",
    "keras.backend": """abs all any argmax argmin batch_dot batch_flatten batch_normalization bias_add
        cast clip concatenate conv1d conv2d conv2d_transpose conv3d cos cumprod cumsum depthwise_conv2d
        dot dropout elu equal exp expand_dims flatten gather greater greater_equal hard_sigmoid identity
        l2_normalize less less_equal log max maximum mean min minimum not_equal one_hot ones_like
        permute_dimensions pool2d pool3d pow prod relu repeat repeat_elements reshape resize_images
        resize_volumes reverse round separable_conv2d sigmoid sign sin softmax softplus softsign
        spatial_2d_padding spatial_3d_padding sqrt square squeeze stack std stop_gradient sum tanh
        temporal_padding tile transpose var""",
}
FUNCTIONS = frozenset(
    f"{module}.{name}".lstrip(".") for module, listed in _OF.items() for name in listed.split()
)

_METHODS = frozenset("row_lengths to_sparse to_tensor with_values".split())  # of ragged inputs
_PROPERTIES = frozenset("dtype flat_values row_splits shape values".split())
SYMBOLS = {
    "TFOpLambda": ("function", FUNCTIONS),
    "SlicingOpLambda": ("function", frozenset({"__operators__.getitem", "__operators__.ragged_getitem"})),
    "InstanceMethod": ("attr_name", _METHODS),
    "InstanceProperty": ("attr_name", _PROPERTIES),
}
# Classes that tf_keras writes and does not export, by module.
MORE = {
    "tf_keras.src.layers.core.tf_op_layer": tuple(SYMBOLS),
    "tf_keras.src.engine.functional": ("Functional",),
    "tf_keras.src.engine.base_layer": ("AddLoss", "AddMetric"),
    "tensorflow.python.ops.init_ops_v2": (
        "Constant",
        "GlorotNormal",
        "GlorotUniform",
        "HeNormal",
        "HeUniform",
        "Identity",
        "LecunNormal",
        "LecunUniform",
        "Ones",
        "Orthogonal",
        "RandomNormal",
        "RandomUniform",
        "TruncatedNormal",
        "VarianceScaling",
        "Zeros",
    ),
}
