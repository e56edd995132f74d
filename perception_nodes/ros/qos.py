"""Quality of service by intent, so that a reader sees why and not only what."""

from __future__ import annotations

from enum import Enum

from rclpy.qos import (
    DurabilityPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from rclpy.qos_overriding_options import QoSOverridingOptions


class Intent(Enum):
    """What a topic is for: (reliable, latched, depth)."""

    SENSOR_DATA = (False, False, 5)
    RESULTS = (True, False, 10)
    LATCHED = (True, True, 1)
    TRANSFORMS = (True, False, 100)
    STATIC_TRANSFORMS = (True, True, 100)


def profile(intent: Intent) -> QoSProfile:
    """A fresh profile (rclpy writes overrides into it)."""
    reliable, latched, depth = intent.value
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def overriding() -> QoSOverridingOptions:
    """Lets users set `qos_overrides.<topic>.<publisher|subscription>.<policy>` parameters."""
    return QoSOverridingOptions(
        [
            QoSPolicyKind.HISTORY,
            QoSPolicyKind.DEPTH,
            QoSPolicyKind.RELIABILITY,
            QoSPolicyKind.DURABILITY,
        ]
    )


def mismatch(publisher: QoSProfile, subscription: QoSProfile) -> str:
    """Why two ends of a topic don't match; empty if they do."""
    _, reason = qos_check_compatible(publisher, subscription)
    return str(reason)
