"""Reading and writing recordings (rosbag2 in sqlite3 and MCAP, ROS 1) without a ROS installation.

`reader.open_bag` reads whatever is readable and says what is not; `writer.BagWriter` writes.
"""
