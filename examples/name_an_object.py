"""Give an object a name: name_an_object.py o3 mug. Needs a running graph: permanence up."""

import sys

import rclpy
from permanence.srv import Label
from rclpy.node import Node

rclpy.init()
node = Node("name_an_object")
client = node.create_client(Label, "label")
if len(sys.argv) != 3 or not client.wait_for_service(timeout_sec=5.0):
    sys.exit("usage: name_an_object.py ID NAME, with the node cjepa running")
future = client.call_async(Label.Request(object_id=sys.argv[1], label=sys.argv[2]))
rclpy.spin_until_future_complete(node, future)
print(future.result().message)
sys.exit(not future.result().success)
