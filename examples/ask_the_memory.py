"""Ask where something is: ask_the_memory.py where is the mug. Needs: permanence up."""

import sys

import rclpy
from permanence.srv import Recall
from rclpy.node import Node

rclpy.init()
node = Node("ask_the_memory")
client = node.create_client(Recall, "recall")
if not client.wait_for_service(timeout_sec=5.0):
    sys.exit("nobody offers the service recall: is the node memory running?")
future = client.call_async(Recall.Request(text=" ".join(sys.argv[1:])))
rclpy.spin_until_future_complete(node, future)
answer = future.result()
print(answer.answer)
print("evidence:", ", ".join(answer.evidence) or "none")
sys.exit(not answer.known)
