"""The run in one sentence and a few figures."""

from __future__ import annotations

from perception_nodes.report.markup import esc, plural, seconds
from perception_nodes.report.record import Episode, RunRecord, Track
from perception_nodes.report.summary import RunSummary
from perception_nodes.scene import Visibility


def headline(record: RunRecord, tracks: list[Track], summary: RunSummary) -> str:
    """What happened, in plain words."""
    if summary.frames == 0:
        return "No frame could be processed."
    if not tracks:
        return f"No object was found in {plural(summary.frames, 'frame')}."
    story = f"{plural(len(tracks), 'object')}{_unseen(record, tracks)}"
    switches = _switches(summary)
    return f"{story}{'' if switches is None else '; ' + switches}."


def tiles(record: RunRecord, tracks: list[Track], summary: RunSummary) -> str:
    """Key figures as markup."""
    episodes = [episode for track in tracks for episode in track.episodes(record.duration)]
    found = [e for e in episodes if e.ending == Visibility.VISIBLE]
    lost = [e for e in episodes if e.ending == Visibility.LOST]
    still = len(episodes) - len(found) - len(lost)
    survived = f"{len(found)} of {len(found) + len(lost)}" if found or lost else "none"
    drops = sum(summary.drops.values())
    rate = summary.frames / summary.duration if summary.duration > 0 else 0.0
    cells = [
        ("Objects", str(len(tracks)), plural(len(record.events) + record.more_events, "event")),
        ("Found again", survived, f"{still} still out of sight" if still else "times out of sight"),
        ("Longest unseen", _longest(found), "and found again"),
        ("Duration", seconds(summary.duration), plural(summary.frames, "frame")),
        ("Speed", f"{summary.fps:.1f} fps", f"recorded at {rate:.0f} fps" if rate else ""),
        (
            "Input lost",
            str(len(summary.losses)) if summary.losses else "none",
            f"{plural(drops, 'frame')} dropped",
        ),
        ("Camera pose", summary.pose_origin, ""),
    ]
    return "".join(_tile(*cell) for cell in cells)


def _tile(name: str, value: str, note: str) -> str:
    # Words need more room than figures.
    kind = "tile words" if len(value) > 12 else "tile"
    return (
        f'<div class="{kind}"><dt>{esc(name)}</dt><dd>{esc(value)}</dd>'
        f"<small>{esc(note)}</small></div>"
    )


def _unseen(record: RunRecord, tracks: list[Track]) -> str:
    """What became of the objects that went out of sight, as the rest of a sentence."""
    episodes = [own for own in (track.episodes(record.duration) for track in tracks) if own]
    if not episodes:
        return ", none of them ever out of sight"
    # What is unseen at the end of the run proves nothing either way.
    ended = [own for own in episodes if any(e.ending is not None for e in own)]
    kept = [own for own in ended if all(e.ending != Visibility.LOST for e in own)]
    if not ended:
        return f", {len(episodes)} of them out of sight at the end"
    if not kept:
        return f"; {len(ended)} went out of sight and none of them was found again"
    longest = max(e.end - e.begin for own in kept for e in own if e.ending is not None)
    some = "all" if len(kept) == len(ended) else f"{len(kept)} of"
    whom = "the one" if len(ended) == 1 else f"{some} {len(ended)}"
    return f"; {whom} that went out of sight stayed known — longest {seconds(longest)}"


def _longest(episodes: list[Episode]) -> str:
    return seconds(max(e.end - e.begin for e in episodes)) if episodes else "–"


def _switches(summary: RunSummary) -> str | None:
    """How often identities were confused; known only where there is truth."""
    figures = (summary.score or {}).get("all", {})
    count = figures.get("id_switches")
    if count is None:
        return None
    return f"{count} identity switch" + ("" if count == 1 else "es")
