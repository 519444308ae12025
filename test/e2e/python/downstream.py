"""A service downstream of RedisBackendMS: it hears of each battery, and asks which there are."""
import sys

import redis

client = redis.Redis.from_url(sys.argv[1], decode_responses=True)
pubsub = client.pubsub()
pubsub.psubscribe("battery:*")
for message in pubsub.listen():
    if message["type"] == "psubscribe":
        print("listening")
    elif message["type"] == "pmessage":
        ids = ",".join(sorted(client.smembers("info:batteries:ids")))
        print(f"{message['channel']} {message['data']} ids={ids}")
