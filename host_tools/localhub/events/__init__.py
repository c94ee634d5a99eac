"""Events for application servers: CloudEvents, their queues, webhooks."""
