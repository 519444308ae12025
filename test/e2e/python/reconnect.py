"""Goes on over cut connections with the retries of redis-py: writes, reads, and a subscription that comes back. HOST PORT PROTOCOL"""
import sys

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

host, port, protocol = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
client = redis.Redis(
    host=host,
    port=port,
    protocol=protocol,
    decode_responses=True,
    retry=Retry(ConstantBackoff(0.05), 100),
    retry_on_error=[redis.ConnectionError, redis.TimeoutError],
)
pubsub = client.pubsub()
pubsub.subscribe("round")
for message in pubsub.listen():
    if message["type"] == "subscribe":
        print("subscribed")
    elif message["type"] == "message":
        client.set("round", message["data"])
        pipe = client.pipeline(transaction=True)
        print(f"round {pipe.get('round').hset('h', 'round', message['data']).execute()[0]}")
