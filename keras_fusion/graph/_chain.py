"""The chain of tensors through which every path of a network runs, from its input to its output.

Where every path is crossed by another, as in NASNet, whose cells read the two cells before them,
there are none for a long way; then the last of the widest merges at each size stands in.
"""

from dataclasses import dataclass

import keras

from keras_fusion.graph._reading import as_functional, has_central_output, is_nested, steps


@dataclass
class Link:
    """A tensor of the chain and the operations between it and the one before, itself last.

    `closes` says whether its model declares it the end of a stage (True) or not (False); None
    where the model says nothing.
    """

    path: str
    shape: tuple
    operations: list
    is_cut: bool = True
    closes: bool | None = None


def all_tensors(model, prefix=""):
    """The path and shape (without batch) of every step's first tensor, nested models opened."""
    for step in steps(model):
        if is_nested(step.operation):
            yield from all_tensors(step.operation, f"{prefix}{step.path}/")
        yield prefix + step.path, tuple(step.tensors[0].shape[1:])


def chain_of(model, prefix=""):
    """The tensors through which every path from input to output runs, nested models opened.

    Of several inputs, that one counts from which the chain is longest; what is made of the
    others alone (a padding mask, positions) only serves it. That of a fusion model goes from its
    first input to the layer in which all modalities have met, and on from there.
    """
    ordered, declared = steps(model), _declared_levels(model)
    inputs = as_functional(model).inputs
    met = _all_met(model, ordered)
    if met is not None:
        chain = _chain_from(met.tensors[0], ordered, declared, prefix)
        before = [step.operation for step in ordered[: ordered.index(met)]]
        chain[0].operations, chain[0].is_cut = [*before, met.operation], False
        first = next(step for step in ordered if step.tensors[0] is inputs[0])
        return [_link([first], prefix, (), True), *chain]
    found = [_chain_from(start, ordered, declared, prefix) for start in inputs]
    return max(found, key=lambda chain: (len(chain), sum(len(x.operations) for x in chain)))


def _all_met(model, ordered):
    """The first step of a fusion model that makes one tensor of all its modalities, or None."""
    if not has_central_output(model) or not isinstance(model.input, dict):
        return None
    modalities = {
        id(tensor): {name} - {"present"}
        for name, inputs in model.input.items()
        for tensor in keras.tree.flatten(inputs)
    }
    everything = set().union(*modalities.values())
    for step in ordered:
        known = [modalities[id(tensor)] for tensor in step.inputs or step.tensors]
        for tensor in step.tensors:
            modalities[id(tensor)] = set().union(*known)
        if step.inputs and len(step.tensors) == 1 and set().union(*known) == everything:
            return step if len(everything) > 1 else None
    return None


def _chain_from(start, ordered, declared, prefix):
    calls = [step.path for step in ordered]
    ordered = _carriers(start, ordered)
    position = {id(t): i for i, step in enumerate(ordered) for t in step.tensors}
    furthest = list(range(len(ordered)))  # the last step that reads what step i made
    for i, step in enumerate(ordered):
        for tensor in step.inputs:
            if id(tensor) in position:
                furthest[position[id(tensor)]] = i
    chain, between, reach = [], [], 0
    # In any topological order the cuts are the tensors that no edge jumps over.
    for i, step in enumerate(ordered):
        between.append(step)
        is_cut = reach <= i and calls.count(step.path) == 1
        reach = max(reach, furthest[i])
        if not is_cut:
            continue
        if is_nested(step.operation) and step.tensors[0] is not start:
            inside = chain_of(step.operation, f"{prefix}{step.path}/")[1:]
            if inside:
                before = [s.operation for s in between[:-1]]
                inside[0].operations = before + inside[0].operations
            chain += inside
        else:
            for end in _crossed_ends(between, chain, declared):
                count = between.index(end) + 1
                chain.append(_link(between[:count], prefix, declared, end is step))
                between = between[count:]
        between = []
    return _open_ended(chain) if declared else chain


def _link(made, prefix, declared, is_cut):
    end = made[-1]
    closes = id(end.tensors[0]) in declared if declared else None
    shape = tuple(end.tensors[0].shape[1:])
    return Link(prefix + end.path, shape, [s.operation for s in made], is_cut, closes)


def _declared_levels(model):
    """The ids of the tensors that a model itself declares to be the ends of its stages."""
    return {id(tensor) for tensor in (getattr(model, "pyramid_outputs", None) or {}).values()}


def _open_ended(chain):
    """From the last declared level on the usual rules hold: an activation may still follow it."""
    last = max((i for i, link in enumerate(chain) if link.closes), default=0)
    for link in chain[last:]:
        link.closes = None
    return chain


def _carriers(start, ordered):
    """The steps that carry what comes in at `start`: no masks, nothing made of other inputs."""
    aside, carriers = set(), []
    for step in ordered:
        is_start = step.tensors[0] is start
        is_other = not step.inputs and not is_start
        is_mask = all(tensor.dtype == "bool" for tensor in step.tensors)
        is_served = step.inputs and all(id(tensor) in aside for tensor in step.inputs)
        if not is_start and (is_other or is_mask or is_served):
            aside.update(id(tensor) for tensor in step.tensors)
        else:
            carriers.append(step)
    return carriers


def _crossed_ends(between, chain, declared):
    """The steps after which a stage ends between two cuts, the second cut itself last.

    Those are the declared ones, or the last of the widest merges at each size between the sizes
    of the two cuts.
    """
    last = between[-1]
    ends = [step for step in between[:-1] if id(step.tensors[0]) in declared]
    if not ends and chain and len(chain[-1].shape) == len(last.tensors[0].shape) - 1 > 1:
        sizes = {}
        for step in between[:-1]:
            shape = step.tensors[0].shape[1:]
            end = last.tensors[0].shape[1:]
            if len(step.inputs) < 2 or not _is_between(shape, chain[-1].shape, end):
                continue
            before = sizes.get(tuple(shape[:-1]))
            # Narrower ones are only on their way into the next stage's first cell.
            if before is None or shape[-1] >= before.tensors[0].shape[-1]:
                sizes[tuple(shape[:-1])] = step
        ends = sorted(sizes.values(), key=between.index)
    return [*ends, last]


def _is_between(shape, start, end):
    if len(shape) != len(start) or None in (*shape, *start, *end):
        return False
    sizes = zip(shape[:-1], start[:-1], end[:-1], strict=True)
    return all(small < size < large for size, large, small in sizes)
