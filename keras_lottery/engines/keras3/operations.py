"""Which operations of Keras 3 a model from a file may hold: those that take no function, by class name."""

_OF = {
    "numpy": """Rot90 Absolute Abs Fabs Add All AllClose Angle Any Amax Amin Append Arange Arccos Arccosh
        Arcsin Arcsinh Arctan Arctan2 Arctanh Argmax Argmin Argsort Array View Average Heaviside Bincount
        BitwiseAnd BitwiseInvert BitwiseNot BitwiseOr BitwiseXor BitwiseLeftShift LeftShift
        BitwiseRightShift RightShift BroadcastTo Cbrt Ceil Clip Concatenate Conjugate Conj Copy Cos Cosh
        CountNonzero Cross Cumprod Cumsum Deg2rad Rad2deg Diag Diagflat Diagonal Diff Digitize Dot Dstack
        Einsum EmptyLike Equal Exp Exp2 ExpandDims Expm1 Flip Fliplr Flipud Floor Full FullLike Gcd
        GetItem Geomspace Greater GreaterEqual Hstack Hsplit Hypot Imag I0 Isclose Isfinite IsIn Isinf
        Isnan Isneginf Isposinf Isreal Kron Lcm Ldexp Less LessEqual Linspace Log Log10 Log1p Log2
        Logaddexp Logaddexp2 LogicalAnd LogicalNot LogicalOr Logspace Matmul Max Maximum Fmax Median
        Meshgrid Min Minimum Fmin Mod Fmod Moveaxis Nanargmax Nanargmin Nancumsum Nancumprod Nanmax
        Nanmean Nanmedian Nanmin Nanpercentile Nanprod Nanquantile Nanstd Nansum Nanvar NanToNum Ndim
        Nonzero NotEqual OnesLike ZerosLike Outer Pad Percentile Prod Ptp Quantile Ravel UnravelIndex Real
        Reciprocal Repeat Reshape Roll Round SearchSorted Sign Signbit Sin Sinc Sinh Size Sort Split Stack
        Std Swapaxes Take TakeAlongAxis Tan Tanh Tensordot Tile Trace Tril Triu Trunc Vdot Inner Vstack
        Vsplit Where Subtract Multiply Divide DivideNoNan TrueDivide Power Negative Nextafter Square Sqrt
        Squeeze Transpose Trapezoid Mean Vander Var Sum FloorDivide LogicalXor Corrcoef Correlate Select
        Slogdet Argpartition Histogram ArraySplit Unique Dsplit""",
    "nn": """Relu Relu6 Sigmoid SparseSigmoid Softplus Softsign SoftShrink SparsePlus Silu Squareplus
        LogSigmoid LeakyRelu HardSigmoid HardSilu Elu Selu Gelu Celu Glu TanhShrink HardTanh HardShrink
        Threshold Softmax LogSoftmax Sparsemax MaxPool AdaptiveMaxPool AveragePool AdaptiveAveragePool
        Conv DepthwiseConv SeparableConv ConvTranspose OneHot BinaryCrossentropy CategoricalCrossentropy
        SparseCategoricalCrossentropy MultiHot Moments BatchNorm CTCLoss CTCDecode Normalize PSNR
        DotProductAttention RMSNorm LayerNorm Polar Unfold Fold DepthToSpace SpaceToDepth""",
    "math": """SegmentReduction SegmentSum SegmentMax SegmentMin SegmentProd TopK InTopK Logsumexp CDist
        ExtractSequences FFT FFT2 IFFT2 RFFT IRFFT STFT ISTFT Rsqrt Erf Erfc Erfinv Logdet ViewAsComplex
        ViewAsReal""",
    "core": "Scatter ScatterUpdate Slice SliceUpdate StopGradient Unstack Cast SaturateCast ConvertToTensor",
    "image": """RGBToGrayscale RGBToHSV HSVToRGB Resize AffineTransform ExtractPatches MapCoordinates
        PadImages CropImages PerspectiveTransform GaussianBlur ElasticTransform ScaleAndTranslate
        SobelEdges SSIM""",
    "linalg": """Cholesky CholeskyInverse Det Eig Eigh Inv LuFactor Norm Qr Solve SolveTriangular SVD
        Lstsq MatrixRank Pinv""",
    "einops": "Rearrange",
}
OPERATIONS = {f"keras.src.ops.{module}": listed.split() for module, listed in _OF.items()}
