"""Which operations of TensorFlow a model from a file may hold: those on numbers, none that touch files or run code.

tf_keras looks a name up in all of TensorFlow, and runs it at once where it is given no tensor of the model.
"""

from ...architecture.entries import below
from ...errors import LotteryError

MODULES = ("__operators__", "bitwise", "dtypes", "experimental.numpy", "image", "linalg", "math", "nn", "quantization", "ragged", "random", "sets",
           "signal", "sparse", "strings", "keras.activations", "keras.backend", "keras.losses")
NEVER = ("import_graph_def", "load_file_system_library", "load_library", "load_op_library", "matching_files", "numpy_function", "py_func",
         "py_function", "read_file", "write_file")
NAMED = {"TFOpLambda": "function", "SlicingOpLambda": "function", "ClassMethod": "cls_symbol"}


def check_operations(architecture):
    """Raises LotteryError for an operation that does more than compute."""
    for entry in below(architecture):
        kind = str(entry["class_name"]).rpartition(">")[2]
        name = str(entry["config"].get(NAMED[kind])) if kind in NAMED else ""
        module, _, function = name.removeprefix("compat.v1.").rpartition(".")
        if kind == "TensorFlowOpLayer" or module and module not in MODULES or function in NEVER:
            raise LotteryError(f"the architecture holds the operation tf.{name or kind}, which might touch files or run code: a ticket's model may "
                               "only compute. Put it into a registered custom layer.")
