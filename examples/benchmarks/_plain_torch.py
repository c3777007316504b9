"""The CentralNet of Multimodal MNIST in plain PyTorch, and a training loop without Keras."""

import time

import torch
from torch import nn
from torch.nn import functional

STREAMS = ("image_a", "image_b", "central")


class WeightedSum(nn.Module):
    """Eq. (3): the modalities' terms share a factor, the last weight."""

    def __init__(self, sources):
        super().__init__()
        self.alpha = nn.Parameter(torch.tensor([1 / sources] * sources + [1.0]))

    def forward(self, modalities, central=None):
        factors = self.alpha * self.alpha[-1]
        total = factors[0] * modalities[0]
        for k, hidden in enumerate(modalities[1:], start=1):
            total = total + factors[k] * hidden
        return total if central is None else total + self.alpha[len(modalities)] * central


class Flat(nn.Module):
    """Height, width, channels in this order, as in Keras: free of charge in channels_last."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


def convolution(before, filters):
    return nn.Sequential(
        nn.Conv2d(before, filters, 5, padding=2, bias=False),
        nn.BatchNorm2d(filters, eps=1e-3),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )


def blocks():
    linear = nn.Linear(7 * 7 * 64, 1024, bias=False)
    normal = nn.BatchNorm1d(1024, eps=1e-3)
    dense = nn.Sequential(Flat(), linear, normal, nn.ReLU(), nn.Dropout(0.5))
    return nn.ModuleList([convolution(1, 32), convolution(32, 64), dense, nn.Linear(1024, 10)])


class CentralNet(nn.Module):
    """Two images to a dict of logits."""

    def __init__(self):
        super().__init__()
        self.streams = nn.ModuleDict({name: blocks() for name in STREAMS})
        self.sums = nn.ModuleList([WeightedSum(sources) for sources in (2, 3, 3, 3, 3)])

    def forward(self, image_a, image_b):
        a, b, central = image_a, image_b, None
        for level in range(4):
            fused = self.sums[level]([a, b], central)
            central = self.streams["central"][level](fused)
            a, b = self.streams["image_a"][level](a), self.streams["image_b"][level](b)
        return {"central": self.sums[4]([a, b], central), "image_a": a, "image_b": b}

    @torch.no_grad()
    def take(self, weights):
        """Copies the weights of the Keras network, in the order of its `layers_in_order`."""
        weights = [[torch.tensor(array) for array in of_layer] for of_layer in weights]
        mine = [
            module
            for stream in STREAMS
            for module in self.streams[stream].modules()
            if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d | nn.BatchNorm1d)
        ]
        for module, given in zip([*mine, *self.sums], weights, strict=True):
            if isinstance(module, WeightedSum):
                module.alpha.copy_(given[0])
            elif isinstance(module, nn.Conv2d):
                module.weight.copy_(given[0].permute(3, 2, 0, 1))
            elif isinstance(module, nn.Linear):
                module.weight.copy_(given[0].T)
                if module.bias is not None:
                    module.bias.copy_(given[1])
            else:
                own = (module.weight, module.bias, module.running_mean, module.running_var)
                for tensor, array in zip(own, given, strict=True):
                    tensor.copy_(array)


def network():
    # channels_last and the fused Adam below: the fastest eager choices on CPU.
    return CentralNet().to(memory_format=torch.channels_last)


def on_device(x, y):
    """Tensors of the two images and the labels."""
    images = (torch.tensor(x[name]).permute(0, 3, 1, 2) for name in ("image_a", "image_b"))
    return (*images, torch.tensor(y).long())


@torch.no_grad()
def probabilities(model, x):
    """Every head's predictions as NumPy arrays."""
    a, b, _ = on_device(x, [])
    heads = model.eval()(a, b)
    return {name: logits.softmax(-1).numpy() for name, logits in heads.items()}


def training(model, x, y, batch, compiled, bfloat16=False):
    """A function that trains on all batches and returns seconds per step after the first."""

    def loss_and_hits(a, b, y):
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            heads = model(a, b)
        heads = {name: logits.float() for name, logits in heads.items()}
        loss = sum(functional.cross_entropy(logits, y) for logits in heads.values())
        hits = [(logits.argmax(-1) == y).sum() for logits in heads.values()]
        return loss, torch.stack(hits)

    forward = torch.compile(loss_and_hits) if compiled else loss_and_hits
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    batches = list(zip(*(tensor.split(batch) for tensor in on_device(x, y)), strict=True))

    def run():
        model.train()
        total, right = torch.zeros(()), torch.zeros(3)
        for i, (a, b, labels) in enumerate(batches):
            optimizer.zero_grad()
            loss, hits = forward(a, b, labels)
            loss.backward()
            optimizer.step()
            total += loss.detach()
            right += hits
            if i == 0:
                begin = time.perf_counter()
        return (time.perf_counter() - begin) / (len(batches) - 1)

    return run
