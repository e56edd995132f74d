"""What a run looked like, on one HTML page that needs no network."""

from perception_nodes.report.sink import ReportSink
from perception_nodes.report.summary import RunSummary

__all__ = ["ReportSink", "RunSummary"]
