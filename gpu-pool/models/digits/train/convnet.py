"""A small convolutional network in numpy: Conv 3x3 - Relu - Conv 3x3 - Relu - MaxPool 2x2 - Gemm - Relu - Gemm.

Arrays are (images, rows, columns, channels) in float32, in and out; the last layer gives ten scores an image.
"""

import numpy as np

SIDE = 8
CLASSES = 10
CHANNELS = (16, 32)
HIDDEN = 64
POOLED = SIDE // 2


def fresh_weights(rng):
    """Weights drawn as He et al. (2015) propose for layers that a Relu follows; biases zero."""

    def drawn(*shape):
        fan_in = int(np.prod(shape[:-1]))
        return rng.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)

    first, second = CHANNELS
    return {
        "conv1": drawn(1, 3, 3, first),
        "conv1_bias": np.zeros(first, np.float32),
        "conv2": drawn(first, 3, 3, second),
        "conv2_bias": np.zeros(second, np.float32),
        "dense1": drawn(second * POOLED * POOLED, HIDDEN),
        "dense1_bias": np.zeros(HIDDEN, np.float32),
        "dense2": drawn(HIDDEN, CLASSES),
        "dense2_bias": np.zeros(CLASSES, np.float32),
    }


def _patches(images):
    """The 3x3 neighbourhood of every pixel, zeros outside: (images * rows * columns, channels * 9)."""
    count, rows, columns, channels = images.shape
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return windows.reshape(count * rows * columns, channels * 9)


def _from_patches(gradient, shape):
    """The transpose of _patches: adds every patch entry back to the pixel it came from."""
    count, rows, columns, channels = shape
    parts = gradient.reshape(count, rows, columns, channels, 3, 3)
    padded = np.zeros((count, rows + 2, columns + 2, channels), np.float32)
    for row in range(3):
        for column in range(3):
            padded[:, row : row + rows, column : column + columns] += parts[..., row, column]
    return padded[:, 1:-1, 1:-1]


def _convolve(images, kernel, bias):
    patches = _patches(images)
    mapped = patches @ kernel.reshape(-1, kernel.shape[-1]) + bias
    return np.maximum(mapped, 0).reshape(*images.shape[:3], -1), patches


def _pool(maps):
    """Largest of each 2x2 block, flattened channel first as ONNX lays images out, and the mask of who was largest."""
    count, _, _, channels = maps.shape
    blocks = maps.reshape(count, POOLED, 2, POOLED, 2, channels)
    largest = blocks.max(axis=(2, 4), keepdims=True)
    flat = largest.reshape(count, POOLED, POOLED, channels).transpose(0, 3, 1, 2).reshape(count, -1)
    return flat, blocks == largest


def _unpool(gradient, mask):
    count, _, _, _, _, channels = mask.shape
    blocks = gradient.reshape(count, channels, POOLED, POOLED).transpose(0, 2, 3, 1)
    spread = mask * blocks[:, :, None, :, None, :]
    return spread.reshape(count, SIDE, SIDE, channels)


def gradients(weights, images, labels, keep):
    """Gradients of the mean cross-entropy. `keep` is the dropout mask over the pooled features, scaled to mean one."""
    maps1, patches1 = _convolve(images, weights["conv1"], weights["conv1_bias"])
    maps2, patches2 = _convolve(maps1, weights["conv2"], weights["conv2_bias"])
    pooled, mask = _pool(maps2)
    features = pooled * keep
    hidden = np.maximum(features @ weights["dense1"] + weights["dense1_bias"], 0)
    scores = hidden @ weights["dense2"] + weights["dense2_bias"]

    chances = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    d_scores = chances
    d_scores[np.arange(len(labels)), labels] -= 1
    d_scores /= len(labels)
    d_hidden = (d_scores @ weights["dense2"].T) * (hidden > 0)
    d_maps2 = _unpool((d_hidden @ weights["dense1"].T) * keep, mask) * (maps2 > 0)
    d_flat2 = d_maps2.reshape(-1, d_maps2.shape[-1])
    d_patches2 = d_flat2 @ weights["conv2"].reshape(-1, d_flat2.shape[1]).T
    d_maps1 = _from_patches(d_patches2, maps1.shape) * (maps1 > 0)
    d_flat1 = d_maps1.reshape(-1, d_maps1.shape[-1])
    return {
        "conv1": (patches1.T @ d_flat1).reshape(weights["conv1"].shape),
        "conv1_bias": d_flat1.sum(axis=0),
        "conv2": (patches2.T @ d_flat2).reshape(weights["conv2"].shape),
        "conv2_bias": d_flat2.sum(axis=0),
        "dense1": features.T @ d_hidden,
        "dense1_bias": d_hidden.sum(axis=0),
        "dense2": hidden.T @ d_scores,
        "dense2_bias": d_scores.sum(axis=0),
    }


def _moved(images, rng):
    """Each image shifted by up to one pixel in each direction, so that the network learns shapes and not places."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    down, right = rng.integers(0, 3, (2, len(images)))
    rows = down[:, None] + np.arange(SIDE)
    columns = right[:, None] + np.arange(SIDE)
    return padded[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]


def train(images, labels, seed, epochs=60, batch=64, rate=2e-3, dropout=0.5, decay=1e-4):
    """Trains by Adam (Kingma & Ba, 2015) with decoupled weight decay and a cosine schedule. `images` lie in 0..1."""
    rng = np.random.default_rng(seed)
    weights = fresh_weights(rng)
    first = {name: np.zeros_like(value) for name, value in weights.items()}
    second = {name: np.zeros_like(value) for name, value in weights.items()}
    steps = epochs * (len(images) // batch)
    step = 0
    for _ in range(epochs):
        order = rng.permutation(len(images))
        for start in range(0, len(images) - batch + 1, batch):
            step += 1
            chosen = order[start : start + batch]
            keep = (rng.random((batch, weights["dense1"].shape[0])) >= dropout).astype(np.float32) / (1 - dropout)
            slopes = gradients(weights, _moved(images[chosen], rng), labels[chosen], keep)
            now = np.float32(rate * 0.5 * (1 + np.cos(np.pi * step / steps)))
            for name, slope in slopes.items():
                first[name] = np.float32(0.9) * first[name] + np.float32(0.1) * slope
                second[name] = np.float32(0.999) * second[name] + np.float32(0.001) * slope * slope
                mean = first[name] / np.float32(1 - 0.9**step)
                spread = np.sqrt(second[name] / np.float32(1 - 0.999**step)) + np.float32(1e-8)
                weights[name] -= now * (mean / spread + np.float32(decay) * weights[name])
    return weights


def scores(weights, images):
    maps, _ = _convolve(images, weights["conv1"], weights["conv1_bias"])
    maps, _ = _convolve(maps, weights["conv2"], weights["conv2_bias"])
    pooled, _ = _pool(maps)
    hidden = np.maximum(pooled @ weights["dense1"] + weights["dense1_bias"], 0)
    return hidden @ weights["dense2"] + weights["dense2_bias"]
