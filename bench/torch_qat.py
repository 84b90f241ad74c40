#!/usr/bin/env python3
"""Time of one training step in PyTorch, of a convolutional network as an ONNX file describes it: float, then
quantization-aware (torch.ao.quantization.prepare_qat). Prints what bench/train_step prints.

  torch_qat.py [--batch N] [--threads N] [--steps N] [--preset fbgemm|qnnpack] [--channels-last] MODEL.onnx
"""
import argparse
import copy
import time

import numpy
import onnx
import onnx.numpy_helper
import torch
from torch import nn
from torch.ao import quantization

WARM_UP = 3


class Stage(nn.Module):
    """Conv, BatchNorm and maybe ReLU6, under the names that fusion wants."""

    def __init__(self, conv, bn):
        super().__init__()
        self.conv, self.bn, self.relu = conv, bn, None

    def forward(self, x):
        x = self.bn(self.conv(x))
        return x if self.relu is None else self.relu(x)


class Network(nn.Module):
    """The nodes of the graph in order; each takes and makes values by name."""

    def __init__(self, graph):
        super().__init__()
        constant = {i.name: torch.from_numpy(onnx.numpy_helper.to_array(i).copy()) for i in graph.initializer}
        self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()
        self.layers, self.calls = nn.ModuleList(), []
        self.input, self.output = graph.input[0].name, graph.output[0].name
        makers = {}  # value: the stage that made it
        alias = {}
        for node in graph.node:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            inputs = [alias.get(i, i) for i in node.input]
            made = None
            if node.op_type == "Constant":
                continue
            if node.op_type == "Conv":
                made = Stage(self.convolution(attributes, [constant[i] for i in node.input[1:]]), None)
            elif node.op_type == "BatchNormalization":
                makers[inputs[0]].bn = self.batch_norm(attributes, [constant[i] for i in node.input[1:]])
            elif node.op_type in ("Clip", "Relu"):
                makers[inputs[0]].relu = nn.ReLU6() if node.op_type == "Clip" else nn.ReLU()
            elif node.op_type == "Add":
                made = nn.quantized.FloatFunctional()
            elif node.op_type == "GlobalAveragePool":
                made = nn.AdaptiveAvgPool2d(1)
            elif node.op_type == "Flatten":
                made = nn.Flatten()
            elif node.op_type == "Gemm":
                made = self.linear([constant[i] for i in node.input[1:]])
            else:
                raise SystemExit("torch_qat.py: no module for " + node.op_type)
            if made is None:  # joined to the stage before
                alias[node.output[0]] = inputs[0]
                makers[node.output[0]] = makers[inputs[0]]
                continue
            makers[node.output[0]] = made
            self.layers.append(made)
            self.calls.append(([i for i in inputs if i not in constant], node.output[0]))
        self.output = alias.get(self.output, self.output)

    @staticmethod
    def convolution(attributes, weights):
        w = weights[0]
        group = attributes.get("group", 1)
        conv = nn.Conv2d(w.shape[1] * group, w.shape[0], tuple(w.shape[2:]), attributes.get("strides", [1, 1]),
                         attributes.get("pads", [0, 0, 0, 0])[:2], groups=group, bias=len(weights) > 1)
        conv.weight.data.copy_(w)
        if len(weights) > 1:
            conv.bias.data.copy_(weights[1])
        return conv

    @staticmethod
    def batch_norm(attributes, weights):
        bn = nn.BatchNorm2d(len(weights[0]), eps=attributes.get("epsilon", 1e-5))
        for to, value in zip((bn.weight.data, bn.bias.data, bn.running_mean, bn.running_var), weights):
            to.copy_(value)
        return bn

    @staticmethod
    def linear(weights):
        fc = nn.Linear(weights[0].shape[1], weights[0].shape[0])
        fc.weight.data.copy_(weights[0])
        fc.bias.data.copy_(weights[1])
        return fc

    def forward(self, x):
        values = {self.input: self.quant(x)}
        for layer, (inputs, output) in zip(self.layers, self.calls):
            a = [values[i] for i in inputs]
            values[output] = layer.add(*a) if len(a) == 2 else layer(a[0])
        return self.dequant(values[self.output])

    def fuse(self, qconfig):
        """Fake-quantize stands where conversion would quantize: not between a BatchNorm and its ReLU6."""
        self.qconfig = qconfig
        for m in self.layers:
            if not isinstance(m, Stage):
                continue
            names = ["conv", "bn"] + (["relu"] if isinstance(m.relu, nn.ReLU) else [])
            quantization.fuse_modules_qat(m, names, inplace=True)
            if isinstance(m.relu, nn.ReLU6):
                m.conv.qconfig = quantization.QConfig(activation=nn.Identity, weight=qconfig.weight)


def measure(name, model, args):
    """Steps on random images; prints the median and the smallest time and the smallest CPU time in ms."""
    shape = [args.batch] + args.shape
    x = torch.randint(-128, 128, shape, generator=torch.Generator().manual_seed(1)).float() / 64
    labels = torch.arange(args.batch) % 10
    if args.channels_last:
        x, model = x.to(memory_format=torch.channels_last), model.to(memory_format=torch.channels_last)
    model.train()
    loss_of = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    ms, cpu = [], []
    for i in range(WARM_UP + args.steps):
        start, cpu_start = time.perf_counter(), time.process_time()
        optimizer.zero_grad()
        loss = loss_of(model(x), labels)
        loss.backward()
        optimizer.step()
        loss.item()
        if i >= WARM_UP:
            ms.append((time.perf_counter() - start) * 1e3)
            cpu.append((time.process_time() - cpu_start) * 1e3)
    print("%s %.3f %.3f %.3f" % (name, sorted(ms)[len(ms) // 2], min(ms), min(cpu)), flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--preset", default="fbgemm")
    p.add_argument("--channels-last", action="store_true")
    p.add_argument("--check", help="NPY_IN,NPY_OUT: compares the float model's output in inference and stops")
    p.add_argument("model")
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    graph = onnx.load(args.model).graph
    args.shape = [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim][1:]
    model = Network(graph)
    if args.check:
        x, y = (torch.from_numpy(numpy.load(f)) for f in args.check.split(","))
        with torch.no_grad():
            print("largest difference %g of %g" % ((model.eval()(x) - y).abs().max(), y.abs().max()))
        return
    measure("float", copy.deepcopy(model), args)
    qat = model.train()
    qat.fuse(quantization.get_default_qat_qconfig(args.preset))
    quantization.prepare_qat(qat, inplace=True)
    measure("qat", qat, args)


if __name__ == "__main__":
    main()
