"""The solver: CEM or MPPI over pushes, in whatever time there is.

Round 0 judges the previous plan, shifted, beside pushes against all sides of the object. The best
of these is where the search starts; each further round draws around it. The clock is asked between
slices of every round, the first included, and between the steps of a slice, which is given up when
nothing but the time for the plan itself is left. The best candidate seen so far is always at hand.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from perception_nodes.arrays import Bools, Floats
from perception_nodes.planner.blocks import blocks_of, upright
from perception_nodes.planner.budget import Budget, Table
from perception_nodes.planner.candidates import (
    START,
    VELOCITIES,
    Moves,
    approach,
    bounded,
    proposals,
    sliding,
    tips_of,
    travel_height,
)
from perception_nodes.planner.cost import Aim, Weights, cost
from perception_nodes.planner.goals import held, problem, reached, relevant
from perception_nodes.planner.interface import Goal, Rollout, Situation
from perception_nodes.planner.iteration import Search, draw, judge, narrowed_cem, narrowed_mppi
from perception_nodes.planner.network_round import ELITES, NetworkRound, Round
from perception_nodes.planner.prior import Physics, State, roll, start_state, things
from perception_nodes.planner.task import Best, Task, TimeUpError
from perception_nodes.scene import Plan, PlanStatus

_NANOSECONDS = 1e-9
_SLOWER = 6.0
_LOW = 0.02
_BESIDE = 0.01
NO_TIME = "no candidate was judged by the deadline: free a core, or allow more planning time"
_FORGET = 0.9


class SamplingSolver:
    """See `interface.Solver`.

    Args:
        table: What objects stand on.
        budget: How much is tried.
        moves: How pushes are parametrized.
        physics: What the prior assumes.
        weights: What counts.
        shapes: By object id, footprints that are known; see `blocks_of`.
        network: Computes rounds of CEM in one call, for a GPU; None for NumPy, which is faster on
            a CPU. It holds for the default moves, physics and weights only.
        rollout: Foresees in place of the physics prior.
        second: Judges the best candidates again at the end; it may be slower than the first. It is
            not asked if there is less time left than it took the last time.
        now: The clock, s.
    """

    def __init__(
        self,
        table: Table,
        budget: Budget | None = None,
        moves: Moves | None = None,
        physics: Physics | None = None,
        weights: Weights | None = None,
        shapes: dict[str, Floats] | None = None,
        network: NetworkRound | None = None,
        rollout: Rollout | None = None,
        second: Rollout | None = None,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.table = table
        self.budget = budget or Budget()
        self.moves = moves or Moves()
        self.physics = physics or Physics()
        self.weights = weights or Weights()
        self.shapes = shapes or {}
        self.network = network
        self.rollout, self.second = rollout, second
        self._now, self._second_took = now, 0.0
        self._last: tuple[int, Goal, Plan] | None = None
        self._favorites: list[Best] = []
        self._rng = np.random.default_rng(0)

    def reset(self) -> None:
        """See `Solver`."""
        self._last = None
        self._rng = np.random.default_rng(0)

    def plan(self, situation: Situation, goal: Goal, deadline: float) -> Plan:
        """See `Solver`."""
        began = self._now()
        step, rest = self.moves.interval, PlanStatus.HOLDING
        reason = problem(situation, goal)
        if reason:
            return held(situation, goal, step, reason, rest)
        if reached(situation, goal):
            return held(situation, goal, step, "", PlanStatus.SUCCEEDED)
        task = self._task(situation, goal, began, deadline)
        best, rounds = self._search(task)
        if best is None or not math.isfinite(best.cost):
            reason = "no candidate had a finite cost" if task.left() > 0.0 else NO_TIME
            return held(situation, goal, step, reason, rest)
        plan = self._plan(task, best, rounds)
        self._last = (situation.stamp, goal, plan)
        return plan

    def _task(self, situation: Situation, goal: Goal, began: float, deadline: float) -> Task:
        near = relevant(situation, goal, self.budget.most_objects)
        blocks = blocks_of(near, self.shapes)
        height = self.table.height + self.moves.height
        heading = math.atan2(goal.target.rotation[1, 0], goal.target.rotation[0, 0])
        aim = Aim(
            chosen=np.array([float(item.id == goal.object_id) for item in near]),
            pose=np.array([*goal.target.translation[:2], heading]),
            turn=np.array(float(goal.angle_tolerance > 0.0)),
            area=self.table.area,
            clearance=np.array(self.physics.tip_radius + 0.003),
        )
        low = not self.moves.lift or bool(situation.tip[2] < height + _LOW)
        return Task(situation, goal, blocks, aim, height, low, self._now, began, deadline)

    def _search(self, task: Task) -> tuple[Best | None, int]:
        """The best candidate and the rounds done.

        Proposals are judged without the other objects at first, which is fast, so that there is an
        answer soon; then the favorites with them.
        """
        self._favorites = []
        groups = self._first(task)
        lifted = np.concatenate([np.full(len(c), up) for up, c in groups])
        candidates = bounded(np, np.concatenate([c for _, c in groups]), self.moves)
        costs, longest = self._costs(self._alone(task), candidates, lifted)
        order = np.argsort(costs, kind="stable")
        best = Best(candidates[order[0]], float(costs[order[0]]), bool(lifted[order[0]]))
        if len(task.blocks.ids) > 1 and self.rollout is None:
            if task.left() < _SLOWER * longest:
                return best, 0
            # the previous plan comes first, and is always among them
            order = np.unique(np.concatenate(([0], order[: self.budget.favorites])))
            costs, longest = self._costs(task, candidates[order], lifted[order])
            if np.isfinite(costs).any() or task.left() > 0.0:
                winner = order[int(np.argmin(costs))]
                best = Best(candidates[winner], float(costs.min()), bool(lifted[winner]))
        if not math.isfinite(best.cost):
            return None, 0
        best, rounds = self._refine(task, best, longest)
        return self._reconsider(task, best), rounds

    def _alone(self, task: Task) -> Task:
        """The same without the other objects."""
        if self.rollout is not None or len(task.blocks.ids) == 1:
            return task
        chosen = [o for o in task.situation.objects if o.id == task.goal.object_id]
        aim = task.aim._replace(chosen=np.ones(1))
        return replace(task, blocks=blocks_of(chosen, self.shapes), aim=aim)

    def _first(self, task: Task) -> list[tuple[bool, Floats]]:
        """The previous plan and proposals: whether they start anew, candidates."""
        found: list[tuple[bool, Floats]] = []
        tip = task.situation.tip
        index = int(np.argmax(task.aim.chosen))
        pose, parts = task.blocks.poses[index], task.blocks.parts[index]
        every = [
            proposals(pose, part, task.aim.pose[:2], self.physics.tip_radius, self.moves)
            for part in parts
            if part[2] > 0.0
        ]
        anew = np.concatenate(every)
        if task.low:
            solid = parts[parts[:, 2] > 0.0]
            reach = float(np.hypot(*(np.abs(solid[:, :2]) + solid[:, 2:4]).max(axis=0)))
            reach += self.physics.tip_radius + _BESIDE
            going = sliding(tip[:2], anew, pose[:2], reach, self.moves)
            found.append((False, np.concatenate((self._warm(task), going))))
        if self.moves.lift or not found:
            found.append((True, anew))
        return found

    def _warm(self, task: Task) -> Floats:
        """(1, D) the previous plan from now on, or rest."""
        rest = np.zeros((1, self.moves.size))
        rest[0, START] = task.situation.tip[:2]
        if self._last is None or self._last[1] is not task.goal:
            return rest
        then, _, plan = self._last
        passed = round((task.situation.stamp - then) * _NANOSECONDS / self.moves.interval)
        ahead = plan.velocity[max(passed, 0) :, :2]
        steps = np.zeros((self.moves.steps, 2))
        steps[: len(ahead)] = ahead[: len(steps)]
        knots = steps.reshape(self.moves.knots, self.moves.hold, 2).mean(axis=1)
        rest[0, VELOCITIES] = knots.reshape(-1)
        return rest

    def _refine(self, task: Task, best: Best, longest: float) -> tuple[Best, int]:
        """Rounds around the best while there is time for another slice and the plan itself."""
        budget, moves = self.budget, self.moves
        first = np.full(moves.size, budget.speed_deviation)
        first[START] = budget.start_deviation if best.lifted else 0.0
        search = Search(best.candidate, first)
        least = 0.1 * first
        for number in range(budget.rounds):
            done, longest = self._round(task, search, least, best.lifted, longest)
            if done is None:
                return best, number
            candidates, costs, search = done
            winner = int(np.argmin(costs))
            if costs[winner] < best.cost:
                best = Best(candidates[winner], float(costs[winner]), best.lifted)
            self._favorites = [
                Best(candidates[k], float(costs[k]), best.lifted)
                for k in np.argsort(costs, kind="stable")[: budget.elites]
            ]
        return best, budget.rounds

    def _round(
        self, task: Task, search: Search, least: Floats, lifted: bool, longest: float
    ) -> tuple[Round | None, float]:
        """Draw, judge and narrow once; None if time does not allow it. And the longest step."""
        budget = self.budget
        noise = self._rng.standard_normal((budget.samples, self.moves.size))
        at_once = budget.method == "cem" and self.rollout is None and budget.elites == ELITES
        if self.network is not None and at_once:
            if task.left() < 2.0 * longest:
                return None, longest
            since, aim = self._now(), self._aim(task, lifted)
            found = self.network.draw(search, least, noise, task.blocks, aim, task.height)
            longest = max(longest, self._now() - since)
            if np.isfinite(found.costs).all():
                return found, longest
            candidates, costs = found.candidates, found.costs
        else:
            candidates = draw(np, search, noise, self.moves)
            costs, longest, done = self._sliced(task, candidates, lifted, longest)
            if done < len(candidates):
                return None, longest
        costs = np.where(np.isfinite(costs), costs, np.inf)
        if budget.method == "cem":
            following = narrowed_cem(np, candidates, costs, budget.elites, least)
        else:
            following = narrowed_mppi(np, candidates, costs, budget.temperature, search)
        return Round(candidates, costs, following), longest

    def _aim(self, task: Task, lifted: bool) -> Aim:
        """The goal; what slides from where it is has no start to keep clear."""
        return task.aim if lifted else task.aim._replace(clearance=np.array(-1.0))

    def _costs(self, task: Task, candidates: Floats, lifted: Bools) -> tuple[Floats, float]:
        """(B,) costs of proposals with the way to their starts, and the longest slice, s.

        Infinite if they are no numbers, or were not looked at for want of time.
        """
        costs, longest = np.full(len(candidates), np.inf), 0.0
        for up in (False, True):
            rows = np.flatnonzero(lifted == up)
            found, longest, _ = self._sliced(task, candidates[rows], up, longest)
            costs[rows] = found
        costs = costs + np.where(lifted, self._detour(task, candidates), 0.0)
        return np.where(np.isfinite(costs), costs, np.inf), longest

    def _sliced(
        self, task: Task, candidates: Floats, lifted: bool, longest: float
    ) -> tuple[Floats, float, int]:
        """Costs as far as time allows, the longest slice so far, and how many were judged.

        The first slice of a plan is always begun: `longest` is 0 before it.
        """
        costs, size = np.full(len(candidates), np.inf), self.budget.slice
        for begin in range(0, len(candidates), size):
            if longest > 0.0 and task.left() < 2.0 * longest:
                return costs, longest, begin
            since = self._now()
            part = slice(begin, begin + size)
            try:
                costs[part] = self._judge(task, candidates[part], lifted)
            except TimeUpError:
                return costs, self._now() - since, begin
            longest = max(longest, self._now() - since)
        return costs, longest, len(candidates)

    def _detour(self, task: Task, candidates: Floats) -> Floats:
        """(B,) what the way to the start of a push costs."""
        away = np.linalg.norm(candidates[:, START] - task.situation.tip[:2], axis=1)
        return np.asarray(0.02 + 0.03 * away)

    def _judge(self, task: Task, candidates: Floats, lifted: bool) -> Floats:
        aim = self._aim(task, lifted)
        if self.rollout is not None:
            return self._opinion(self.rollout, task, candidates, aim)[0]
        if self.network is not None:
            return self.network.judge(candidates, task.blocks, aim, task.height)
        still = things(task.blocks, self.physics, self.moves.interval)
        start = start_state(task.blocks, len(candidates))
        height = np.array(task.height)
        found = judge(
            np, candidates, start, still, aim, height, self.moves, self.physics, self.weights,
            task.tick,
        )  # fmt: skip
        return np.asarray(found)

    def _opinion(
        self, rollout: Rollout, task: Task, candidates: Floats, aim: Aim
    ) -> tuple[Floats, Floats]:
        """(B,) costs of candidates by a model, and its physics residuals."""
        tips = tips_of(np, candidates, task.height, self.moves)
        near = [o for o in task.situation.objects if o.id in task.blocks.ids]
        near.sort(key=lambda o: task.blocks.ids.index(o.id))
        futures = rollout.roll(
            replace(task.situation, objects=tuple(near)), tips, self.moves.interval
        )
        level = futures.poses[..., [0, 1, 3]]
        states = [
            State(level[:, t], 0.0 * level[:, t], futures.deviation[:, t])
            for t in range(level.shape[1])
        ]
        still = things(task.blocks, self.physics, self.moves.interval)
        costs = cost(np, states, still, tips, aim, self.weights)
        return costs + self.weights.residual * futures.residual, futures.residual

    def _reconsider(self, task: Task, best: Best) -> Best:
        """The best of the favorites by the second opinion."""
        if self.second is None or not self._favorites:
            return best
        favorites = [best, *(f for f in self._favorites if f.lifted == best.lifted)]
        candidates = np.array([f.candidate for f in favorites])
        if task.left() < self._second_took:
            self._second_took *= _FORGET  # what was slow once is tried again some time
            return best
        since, aim = self._now(), self._aim(task, best.lifted)
        costs, residuals = self._opinion(self.second, task, candidates, aim)
        self._second_took = self._now() - since
        if not np.isfinite(costs).any():
            return best
        winner = int(np.nanargmin(costs))
        chosen = favorites[winner]
        return Best(chosen.candidate, float(costs[winner]), best.lifted, float(residuals[winner]))

    def _plan(self, task: Task, best: Best, rounds: int) -> Plan:
        moves = self.moves
        push = tips_of(np, best.candidate[None], task.height, moves)[0]
        way = task.situation.tip[None]
        if best.lifted:
            boxes = [upright(item) for item in task.situation.objects]
            travel = travel_height(task.situation.tip, push[0], self.table.height, boxes)
            way = approach(task.situation.tip, push[0], travel, moves)
        else:
            push = np.concatenate((task.situation.tip[None], push[1:]))
        tips = np.concatenate((way, push[1:]))
        still = things(task.blocks, self.physics, self.moves.interval)
        states = roll(
            np, start_state(task.blocks, 1), still, push[None], moves.interval, self.physics
        )
        waiting = len(way) - 1
        predicted, deviation = {}, {}
        for k, name in enumerate(task.blocks.ids):
            poses = np.array([s.poses[0, k] for s in [states[0]] * waiting + states])
            level = np.full(len(poses), task.blocks.heights[k].mean())
            predicted[name] = np.column_stack((poses[:, :2], level, poses[:, 2]))
            deviation[name] = np.array([s.deviation[0, k] for s in [states[0]] * waiting + states])
        used = (self._now() - task.began) / task.deadline
        return Plan(
            stamp=task.situation.stamp,
            object_id=task.goal.object_id,
            interval=moves.interval,
            tip=tips,
            velocity=np.diff(tips, axis=0) / moves.interval,
            predicted=predicted,
            deviation=deviation,
            cost=best.cost,
            physics_residual=best.residual,
            iterations=rounds,
            deadline_used=used,
            status=PlanStatus.RUNNING,
        )
