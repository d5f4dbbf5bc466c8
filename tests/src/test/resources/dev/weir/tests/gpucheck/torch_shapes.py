"""Times shapes with PyTorch, under the conditions of gpu-check's own table.

usage: torch_shapes.py SECONDS     jobs on standard input, one per line:
    matmul N | linear ROWS OUTPUTS INPUTS | decode BATCH CONTEXT HEADS KV_HEADS HEAD_DIM
    | prefill TOKENS HEADS KV_HEADS HEAD_DIM

Prints "torch<TAB>JOB<TAB>MICROSECONDS" per job, "version<TAB>TEXT" first, and "why<TAB>TEXT" for what it cannot do.
bf16, random values; buffers rotate over more memory than the caches keep; a CUDA graph of one round over them is
replayed between two events; the median counts. Attention runs on the flash backend.
"""

import sys
import time

ROTATION_BYTES = 256 << 20
WARM_UPS = 2
MOST_SAMPLES = 15
FIGURE_SECONDS = 0.15


def say(*parts):
    print("\t".join(str(part) for part in parts), flush=True)


def median_micros(torch, copies, call):
    """Microseconds of one call of call(i), i = 0 ... copies-1."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for i in range(copies):
            call(i)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = [call(i) for i in range(copies)]
    samples = []
    start = torch.cuda.Event(enable_timing=True)
    end = torch.cuda.Event(enable_timing=True)
    until = time.monotonic() + FIGURE_SECONDS
    while len(samples) < WARM_UPS + 1 or (len(samples) < WARM_UPS + MOST_SAMPLES and time.monotonic() < until):
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        samples.append(start.elapsed_time(end) * 1000 / copies)
    del kept, graph
    timed = sorted(samples[WARM_UPS:])
    return timed[len(timed) // 2]


def copies_of(elements):
    return max(1, min(256, ROTATION_BYTES // (2 * elements) + 1))


def random(torch, *shape):
    return torch.randn(*shape, device="cuda", dtype=torch.bfloat16)


def run(torch, job):
    kind, *numbers = job.split()
    n = [int(number) for number in numbers]
    functional = torch.nn.functional
    if kind == "matmul":
        a, b = random(torch, n[0], n[0]), random(torch, n[0], n[0])
        return median_micros(torch, 1, lambda i: a @ b)
    if kind == "linear":
        rows, outputs, inputs = n
        copies = copies_of(outputs * inputs)
        weights = [random(torch, outputs, inputs) for _ in range(copies)]
        sets = max(1, min(copies, ROTATION_BYTES // (2 * rows * (outputs + inputs))))
        x = [random(torch, rows, inputs) for _ in range(sets)]
        return median_micros(torch, copies, lambda i: functional.linear(x[i % sets], weights[i]))
    if kind in ("decode", "prefill"):
        batch = n.pop(0) if kind == "decode" else 1
        length, heads, kv_heads, head_dim = n
        queries = 1 if kind == "decode" else length
        copies = copies_of(2 * batch * length * kv_heads * head_dim)
        q = random(torch, batch, heads, queries, head_dim)
        k = [random(torch, batch, kv_heads, length, head_dim) for _ in range(copies)]
        v = [random(torch, batch, kv_heads, length, head_dim) for _ in range(copies)]
        from torch.nn.attention import SDPBackend, sdpa_kernel

        def attend(i):
            with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
                return functional.scaled_dot_product_attention(
                    q, k[i], v[i], is_causal=kind == "prefill", enable_gqa=heads != kv_heads
                )

        return median_micros(torch, copies, attend)
    raise ValueError("no such job")


def main():
    end = time.monotonic() + float(sys.argv[1])
    jobs = [line.strip() for line in sys.stdin if line.strip()]
    try:
        import torch
    except Exception as failure:
        say("why", "python3 has no torch (%s)" % failure)
        return
    if not torch.cuda.is_available():
        say("why", "torch sees no GPU")
        return
    say("version", "torch %s, CUDA %s" % (torch.__version__, torch.version.cuda))
    left_out = 0
    for job in jobs:
        if time.monotonic() > end:
            left_out += 1
            continue
        try:
            with torch.inference_mode():
                say("torch", job, "%.3f" % run(torch, job))
        except Exception as failure:
            say("why", "%s: %s" % (job, str(failure).split("\n")[0]))
        torch.cuda.empty_cache()
    if left_out:
        say("why", "%d shapes were left out: no time was left" % left_out)


main()
