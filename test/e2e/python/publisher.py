"""A publisher upstream of KVUpdater: each argument after the host and port is one message."""
import sys

import redis

host, port, channel, *messages = sys.argv[1:]
client = redis.Redis(host=host, port=int(port))
for message in messages:
    print(f"published to {client.publish(channel, message)}")
