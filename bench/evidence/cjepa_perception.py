"""Sections of the world model's page on what it is told: shapes, events, masses."""

from __future__ import annotations

from typing import Any

import numpy as np

from evidence.statistics import paired_ratio, wilson
from evidence.tables import table


def shapes(figures: dict[str, Any]) -> str:
    """How well the tracker tells what is round."""
    names = figures["names"]
    rows = []
    for what in ("sightings", "objects"):
        one = figures[what]
        for k, row in enumerate(one["confusion"]):
            if sum(row):
                rows.append([what, names[k], sum(row), str(wilson(row[k], sum(row)))])
        rows.append([what, "all", one["count"], str(wilson(one["right"], one["count"]))])
    said = [[low, high, count, told, true] for low, high, count, told, true in (
        (f"{0.2 * k:.1f}", f"{0.2 * k + 0.2:.1f}", *row)
        for k, row in enumerate(figures["sightings"]["told_round"])
    )]  # fmt: skip
    right = table(["by", "true shape", "count", "told rightly"], rows)
    honest = table(["chance said, from", "to", "count", "mean said", "truly round"], said)
    return (
        "The tracker compares the surface that it sees of a thing with that of a box, a ball and a "
        "cylinder about each axis (`perception_nodes/objects/shape.py`) and says for each axis how "
        "likely the thing is round about it; 0.5 where it was never seen whole. Unseen rendered "
        "tabletops; bottles, mugs, vases and bowls count as round about their axis, ellipsoids and "
        f"superquadrics are left out.\n\n{right}\n{honest}"
    )


def events(figures: dict[str, Any]) -> str:
    """Misses and false alarms of events, and how thresholds were chosen."""
    rows, surprised = [], []
    for noise, found in figures["test"].items():
        for what, title in (("motion", "motion"), ("contact", "contact")):
            for kind in ("on", "off"):
                one = found[what][kind]
                missed = wilson(one["missed"], max(one["true"], 1))
                wrong = wilson(one["wrong"], max(one["told"], 1))
                rows.append([noise, f"{title} {kind}", one["true"], str(missed), one["told"],
                             str(wrong)])  # fmt: skip
        for name, one in found["surprise"].items():
            surprised.append([noise, name, one["starts"], str(wilson(one["found"], one["starts"])),
                              one["told"], one["wrong"], one["moments"]])  # fmt: skip
    told = table(["noise of places", "event", "true", "missed", "told", "wrong"], rows)
    header = ["noise of places", "world model", "motions that begin", "a surprise", "told",
              "of what rests", "looks at objects"]  # fmt: skip
    values = figures["shipped"]
    best = {what: max(row, key=lambda k: row[k]) for what, row in figures["scores"].items()}
    scores = {what: row[best[what]] for what, row in figures["scores"].items()}
    return (
        f"{figures['episodes']} unseen episodes through the tracker's filter. What is shipped: a "
        f"motion is told after {values['moved_distance']:g} m, rest once it is less than "
        f"{values['stopped_distance']:g} m from where it was lately; touching below "
        f"{values['contact_gap']:g} m, parted beyond {values['contact_part']:g} m. Best on the "
        f"episodes that choose: motion {best['motion']} (F1 {scores['motion']:.2f}), contact "
        f"{best['contact']} (F1 {scores['contact']:.2f}). A motion of less than 2 cm is neither "
        f"right nor wrong.\n\n{told}\nSurprise is told where a seen object is farther from where "
        f"it was expected a step ago than {values['surprise']:g} variances, which one in a "
        "thousand exceeds on the episodes that choose. What the tool does is a surprise only to "
        f"who is not told of it.\n\n{table(header, surprised)}"
    )


def masses(figures: dict[str, Any]) -> str:
    """Whether meetings tell masses."""
    rows = []
    for noise, one in figures["momentum"].items():
        for title, key in (("brief and alone", "told"), ("and nearly opposed", "clean")):
            count, error, by_size = one[key]
            rows.append([noise, one["touches"], title, count, error, by_size])
    network = figures["foreseen"]
    header = ["noise of places", "touches", "of them", "count", "rms of log ratio",
              "by size alone"]  # fmt: skip
    return (
        "Can motion tell more of masses than size does? Where two things meet, the changes of "
        "their velocities give the ratio of their masses, if the touch is brief, nothing else is "
        f"near and nothing tumbles ({figures['episodes']} episodes at 30 states a second, touches "
        "known exactly). Most touches last, or have a third party; and in what is left friction "
        "with the floor takes as much momentum as the other thing gives, so that the ratio is no "
        f"better than that of the sizes:\n\n{table(header, rows)}\n"
        f"The world model can't tell either: of {network['meetings']} meetings, an e-fold of mass "
        f"changes what it foresees half a second later by {network['change_mm']:g} mm, and it is "
        f"off by {network['off_mm']:g} mm. A meeting then holds a Fisher information of "
        f"{network['fisher']:g} per e-fold squared, beside the {network['known_before']:g} that "
        "size alone gives. So nothing is learned of mass from motion, on purpose."
    )


def latents(figures: dict[str, Any]) -> str:
    """Whether the encoder's latents tell the world model what its other inputs do not."""
    found = figures["cpu"]
    told = found["roundness_told"]
    rows, base = [], found["arms"]["states alone"]
    for arm, runs in found["arms"].items():
        cells: list[str] = [arm]
        for key in ("1s_mm", "2s_mm"):
            values, alone = (np.array([run[key] for run in each]) for each in (runs, base))
            cells += [f"{values.mean():.0f}", str(paired_ratio(values, alone))]
        rows.append(cells)
    header = ["told of", "1 s, mm", "over states alone", "2 s, mm", "over states alone"]
    share = wilson(round(told["told"] * told["objects"]), told["objects"])
    return (
        "Small networks, trained alike on 600 episodes whose scenes were drawn as a camera sees "
        f"them ({found['updates']} updates, {len(base)} seeds, the same windows for all arms): "
        "mean error of struck objects while nobody sees them, on unseen episodes. Latents are of "
        f"the shipped encoder, which finds {100 * found['latents_found'][1]:.0f} % of the objects "
        "of unseen episodes; *wrong* ones are of objects of another episode. Whether a thing is "
        f"round at all, the five nearest latents tell rightly of {share} (the more frequent answer "
        f"would of {told['most_frequent']:.2f}); nothing else of what matters can be seen, since "
        "textures, masses and frictions are drawn independently.\n\n" + table(header, rows)
    )
