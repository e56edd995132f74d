"""Ask a memory file, without ROS: ask_a_memory_file.py out/memory.db where is the mug."""

import sys
from pathlib import Path

from perception_nodes.memory.question import recall
from perception_nodes.memory.reader import MemoryReader

with MemoryReader(Path(sys.argv[1])) as memory:
    answer = recall(memory, " ".join(sys.argv[2:]), None, None)
    print(answer.sentence)
    for event in answer.events:
        print(f"  {event.kind} {', '.join(event.subjects)}: {event.text}")
sys.exit(not answer.known)
