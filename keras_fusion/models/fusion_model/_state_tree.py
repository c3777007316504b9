"""All variables of a model as nested dicts, also where two of them have one path.

Those of backbones are named by the user's own layers, so that two of one architecture have the
same; Keras refuses such a model.
"""

from keras import ops

from keras_fusion._checks import check_choice


def state_tree(model, value_format):
    """What `keras.Model.get_state_tree` gives, with paths made unique."""
    check_choice("value_format", value_format, ("backend_tensor", "numpy_array"))
    tree = {}
    for kind, variables in _variables(model).items():
        tree[kind] = {}
        for path, variable in variables.items():
            *parents, name = path.split("/")
            inner = tree[kind]
            for parent in parents:
                inner = inner.setdefault(parent, {})
            is_array = value_format == "numpy_array"
            inner[name] = ops.convert_to_numpy(variable) if is_array else variable.value
    return tree


def set_state_tree(model, tree):
    """Assigns what `state_tree` gave; as in Keras, a tree may lack some variables."""
    known = _variables(model)
    for kind, values in tree.items():
        check_choice("state_tree", kind, list(known))
        values = dict(_flat(values))
        strange = sorted(set(values) - set(known[kind]))
        # Others may be strange: states of dropout are numbered anew, metrics come with compile.
        if strange and kind == "trainable_variables":
            raise ValueError(
                f'state_tree["{kind}"]: expected layers named as those of "{model.name}". '
                f"Received: {strange[0]}"
            )
        for path in set(values) - set(strange):
            known[kind][path].assign(values[path])


def check_hdf5(model, filepath):
    """An error before an HDF5 file is begun which Keras cannot finish."""
    optimizer = getattr(model, "optimizer", None)
    paths = [variable.path for variable in optimizer.variables] if optimizer else []
    twice = sorted({path for path in paths if paths.count(path) > 1})
    if twice and str(filepath).endswith((".h5", ".hdf5")):
        raise ValueError(
            'filepath: expected one that ends in ".keras", as HDF5 files cannot hold the optimizer '
            f'of backbones with layers of one name ("{twice[0]}" comes twice). '
            f"Received: {str(filepath)!r}"
        )


def _variables(model):
    """`{kind: {unique path: variable}}`."""
    optimizer = getattr(model, "optimizer", None)
    return {
        "trainable_variables": _by_path(model.trainable_variables),
        "non_trainable_variables": _by_path(model.non_trainable_variables),
        "optimizer_variables": _by_path(optimizer.variables if optimizer else []),
        "metrics_variables": _by_path(model.metrics_variables),
    }


def _by_path(variables):
    """A path that comes again has a number at its first part, the layer's or the model's name."""
    found = {}
    taken = {variable.path for variable in variables}
    for variable in variables:
        path, count = variable.path, 1
        while path in found or (count > 1 and path in taken):
            count += 1
            first, *rest = variable.path.split("/")
            path = "/".join([f"{first}_{count}", *rest])
        found[path] = variable
    return found


def _flat(tree, path=""):
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{name}/")
        else:
            yield path + name, value
