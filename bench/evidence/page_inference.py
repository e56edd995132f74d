"""The page of inference: kernels, rates of the pipeline, weights in 8 bits, GPU."""

from __future__ import annotations

from textwrap import fill
from typing import Any

from evidence.pages import NOT_MEASURED
from evidence.tables import table

MEASURE = (
    "cameras.py",
    "kernel_profile.py",
    "kernels.py",
    "kernel_candidates.py",
    "quantized.py",
    "gpu.py",
)
_NOT_YET = "Not measured yet; `make evidence RUN=1` does.\n"
_LATENCIES = ("p50 (ms)", "p95 (ms)", "p99 (ms)", "Max. End-to-End Latency (ms)")


def page(results: dict[str, Any]) -> dict[str, str]:
    """docs/evidence/inference.md."""
    parts = [_INTRODUCTION]
    for name, title, write in (
        ("cameras", "The whole pipeline on two cores", _cameras),
        ("kernel_profile", "Where the time goes", _profile),
        ("kernels", "Kernels", _kernels),
        ("kernel_candidates", "What did not become a kernel", _candidates),
        ("quantized", "Weights in 8 bits", _quantized),
    ):
        result = results[name]
        parts.append(f"## {title}\n")
        parts += [_NOT_YET] if result is None else [_machine(result), *write(result["figures"])]
    parts.append("## On a GPU\n")
    gpu = results["gpu"]
    parts += [_NO_GPU] if gpu is None else _gpu(gpu["figures"])
    return {"inference.md": "\n".join(parts)}


def _text(paragraph: str) -> str:
    return fill(paragraph, 99) + "\n"


def _machine(result: dict[str, Any]) -> str:
    machine = result["machine"]
    runtime = machine["packages"].get("onnxruntime", "none")
    return (
        f"{result['date']}, {machine['cpu']}, {machine['cores']} shared cores, "
        f"ONNX Runtime {runtime}.\n"
    )


def _cameras(figures: dict[str, Any]) -> list[str]:
    rows = [
        [row["cameras"], row["hz_each"], row["target_hz"],
         "yes" if row["hz_each"] >= row["target_hz"] else "no"]
        for row in figures["rows"]
    ]  # fmt: skip
    return [
        _text(
            "Images of 640x480 of a simulated table to object states, futures and memory; the "
            "finder in a process of its own. Hz of each camera:"
        ),
        table(["cameras", "Hz each", "target", "reached"], rows),
    ]


def _profile(figures: dict[str, Any]) -> list[str]:
    rows = []
    for load, shares in figures["loads"].items():
        most = sorted(shares["own"].items(), key=lambda item: -item[1])
        own = [f"`{name}` {100.0 * share:.1f}" for name, share in most]
        kernels = [f"`{name}` {100.0 * share:.1f}" for name, share in shares["kernels"].items()]
        rows.append([load, ", ".join(own), ", ".join(kernels) or "none"])
    return [
        _text(
            "Percent of the main thread's time: functions by what they take themselves, and all "
            "kernels with what they call. The network of the learned source runs beside it and "
            "is not in these. It is flat: with the kernels as they are, no function takes more "
            "than a few percent of an image's way, and what leads are calls of libraries."
        ),
        table(["load", "themselves, %", "kernels, %"], rows),
    ]


def _kernels(figures: dict[str, Any]) -> list[str]:
    rows = [
        [f"`{name}`", row["ms"], row["times_faster"]] for name, row in figures["kernels"].items()
    ]
    graph = [[name, ms] for name, ms in figures["onnx_runtime_ms"].items()]
    calls = [[name, ms] for name, ms in figures["library_ms"].items()]
    return [
        _text(
            "Each has a plain reference, which tests compare it with. Time at the stack's size "
            "(640x480; 300 tokens that look at 4 of 64 key frames), one thread; and how many times "
            "faster than the reference on a small input:"
        ),
        table(["kernel", "ms", "times faster than the reference"], rows),
        "The same in ONNX Runtime, one thread, as the networks' graphs hold it:\n",
        table(["form", "ms"], graph),
        "What has no kernel, since a library's call is as good:\n",
        table(["call", "ms"], calls),
    ]


def _candidates(figures: dict[str, Any]) -> list[str]:
    matching = [
        [row["batch"], row["objects"], row["permutations_ms"], row["scipy_ms"]]
        for row in figures["matching"]
    ]
    parts = ("draw_ms", "foresee_ms", "narrow_ms", "graph_ms")
    rounds = [[row["samples"], *(row[part] for part in parts)] for row in figures["rounds"]]
    return [
        _text(
            "Matching of a batch by all permutations at once, and by SciPy's "
            "linear_sum_assignment one after the other; processor time. Permutations gain only "
            "for many scenes of up to four objects; the stack matches one image at a time, of up "
            "to sixteen, and training matches none in its losses. So SciPy stays."
        ),
        table(["batch", "objects", "permutations, ms", "SciPy, ms"], matching),
        _text(
            "A round of the planner's cross-entropy method, five objects: drawing candidates, "
            "foreseeing and judging them, narrowing the search, all NumPy; beside them the whole "
            "round as one ONNX graph, which is meant for GPUs. Drawing and narrowing are a few "
            "calls of NumPy and take next to nothing, so that a kernel for them would gain nothing."
        ),
        table(["samples", "draw, ms", "foresee, ms", "narrow, ms", "graph, ms"], rounds),
    ]


def _quantized(figures: dict[str, Any]) -> list[str]:
    rows = []
    for name, row in figures.items():
        times = {int(batch): value for batch, value in row["times_faster"].items()}
        rows += [[name, batch, times[batch], *row["megabytes"]] for batch in sorted(times)]
    within = figures["cjepa"]["percent_within_5_cm"]
    error = [[kind, *within[kind].values()] for kind in within]
    worth = [name for name, row in figures.items() if row["worth_shipping"]]
    verdict = f"Worth shipping: {', '.join(worth) if worth else 'none'}.\n"
    return [
        _text(
            "Dynamic quantization of matrix products. A variant ships where it is at least 1.3 "
            "times as fast and costs no more than a point of the task."
        ),
        table(["network", "batch", "times faster", "MB", "MB in 8 bits"], rows),
        "Percent of the moving objects that the world model foresees to within 5 cm:\n",
        table(["weights", *next(iter(within.values()))], error),
        verdict,
    ]


def _gpu(figures: dict[str, Any]) -> list[str]:
    parts = [f"{figures['gpu']}\n"]
    for device in ("cuda", "tensorrt"):
        if device not in figures:
            parts.append(f"{device}: {NOT_MEASURED.split(':')[0]}.\n")
            continue
        measured = figures[device]
        parts += [
            f"{device}: {part} failed: {rows['failed']}\n"
            for part, rows in measured.items()
            if isinstance(rows, dict) and "failed" in rows
        ]
        rows = [
            [
                f"{name}, {part}",
                *(row[key] for key in _LATENCIES),
                row["largest relative difference"],
            ]
            for part in ("models", "half")
            for name, row in measured.get(part, {}).items()
            if name != "failed"
        ]
        header = [device, *_LATENCIES, "difference from the CPU"]
        parts += [table(header, rows), table([device, "measured", "asked"], _asked(measured))]
    attention = figures.get("torch on CUDA", {}).get("64", {})
    parts.append(
        "torch, fused attention at 64 key frames: "
        f"{attention.get('times faster', NOT_MEASURED.split(':')[0])} times faster (asked 3).\n"
    )
    return parts


def _asked(measured: dict[str, Any]) -> list[list[Any]]:
    """The figures with a bar, of one device; what a run left out is "not measured"."""
    pipeline, plan = measured.get("pipeline", {}), measured.get("plan", {})
    attention = measured.get("attention", {}).get("64", {})
    half = attention.get("one, half", attention.get("plain, half", {}))
    ratio = pipeline["p99 (ms)"] / pipeline["p50 (ms)"] if "p50 (ms)" in pipeline else None
    rows = [
        ["camera to object states, p50 (ms)", pipeline.get("p50 (ms)"), 8],
        ["p99 of it by p50", None if ratio is None else round(ratio, 2), 2],
        ["full plan, world model, p99 (ms)", plan.get("objects", {}).get("p99 (ms)"), 150],
        ["full plan, physics, p99 (ms)", plan.get("physics", {}).get("p99 (ms)"), 150],
        ["patch tokens beside it (ms)", plan.get("patches, p50 of a step times steps (ms)"), ""],
        ["attention in one operator, half, 64 key frames", attention.get("times faster, half"), 3],
        ["difference of attention in half precision", half.get("difference"), 1e-3],
        ["free memory afterwards (GiB)", measured.get("free memory after (GiB)"), ""],
    ]
    missing = NOT_MEASURED.split(":")[0]
    return [[name, missing if value is None else value, asked] for name, value, asked in rows]


_INTRODUCTION = """# Evidence: inference

How networks are run is described in [inference.md](../inference.md).
"""
_NO_GPU = f"""\
{NOT_MEASURED[0].upper()}{NOT_MEASURED[1:]}: none of the figures asked of one (from camera to object
states, a plan of the full budget, attention in one operator at 64 key frames, memory). One call
measures them, with parity of every network and kernel in both precisions, on CUDA, TensorRT and
torch apart: `.venv-train/bin/python bench/gpu.py`, or in pieces of minutes with `--part`. All parts
but torch's were tried to their end on a CPU (`--device cpu`).
"""
