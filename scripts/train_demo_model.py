#!/usr/bin/env python3
"""Trains the demo's float model (examples/demo/shapes.onnx). Needs Debian's python3-torch; not needed to run the demo.

usage: train_demo_model.py TRAIN_IMAGES TRAIN_LABELS TEST_IMAGES TEST_LABELS OUT.onnx
The files are raw bytes as drawn by examples/demo/shapes.c: 24 x 24 grey levels a picture, one label byte a picture.
"""
import sys

import numpy as np
import torch
from torch import nn

torch.manual_seed(7)
torch.set_num_threads(2)
SIDE = 24


def load(images, labels):
    x = np.fromfile(images, np.uint8).reshape(-1, 1, SIDE, SIDE).astype(np.float32)
    return torch.from_numpy((x / 255.0 - 0.5) / 0.5), torch.from_numpy(np.fromfile(labels, np.uint8).astype(np.int64))


def conv(i, o, k=3, s=1, g=1, relu=True):
    layers = [nn.Conv2d(i, o, k, s, k // 2, groups=g, bias=False), nn.BatchNorm2d(o)]
    return layers + [nn.ReLU6()] if relu else layers


class Block(nn.Module):
    """Inverted residual: expand, depthwise, project; added to its input when shapes agree."""

    def __init__(self, i, o, s):
        super().__init__()
        self.body = nn.Sequential(*conv(i, 3 * i, 1), *conv(3 * i, 3 * i, 3, s, 3 * i), *conv(3 * i, o, 1, relu=False))
        self.add = s == 1 and i == o

    def forward(self, x):
        return x + self.body(x) if self.add else self.body(x)


net = nn.Sequential(*conv(1, 16), Block(16, 24, 2), Block(24, 24, 1), Block(24, 40, 2), Block(40, 40, 1), *conv(40, 96, 1),
                    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, 10))
x, y = load(sys.argv[1], sys.argv[2])
tx, ty = load(sys.argv[3], sys.argv[4])
EPOCHS, BATCH = 9, 64
opt = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9, weight_decay=1e-4, nesterov=True)
steps = len(x) // BATCH
sched = torch.optim.lr_scheduler.OneCycleLR(opt, 0.15, EPOCHS * steps)
for epoch in range(EPOCHS):
    net.train()
    order = torch.randperm(len(x))
    for i in range(steps):
        pick = order[i * BATCH:(i + 1) * BATCH]
        opt.zero_grad()
        nn.functional.cross_entropy(net(x[pick]), y[pick]).backward()
        opt.step()
        sched.step()
    net.eval()
    with torch.no_grad():
        print(epoch, (net(tx).argmax(1) == ty).float().mean().item(), flush=True)
torch.onnx.export(net, tx[:1], sys.argv[5], input_names=["image"], output_names=["logits"], opset_version=13,
                  dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}}, training=torch.onnx.TrainingMode.PRESERVE,
                  do_constant_folding=False)
