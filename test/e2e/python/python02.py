"""In the manner of keyDB-POC's python02: hears of sets by keyspace events, reads back, and shakes hands."""
import sys
import time

import redis

host, port = sys.argv[1], int(sys.argv[2])
client = redis.Redis(host=host, port=port, db=0)


def handle(message):
    if message["data"].decode() != "shared_key":
        return
    value = client.get("shared_key").decode()
    difference = int(time.time()) - int(value.split(" ")[-1])
    print(f"Python02 read shared_key: {value}, Time difference: {difference} seconds")
    client.set("handshake_key", "Handshake triggered by key event")
    print("Set handshake_key: Handshake triggered by key event")


pubsub = client.pubsub()
pubsub.psubscribe(**{"__keyevent@0__:set": handle})
print("Listening for key events...")
for _ in pubsub.listen():
    pass
