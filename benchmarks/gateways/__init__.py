"""What stands around gateways under test: LLM servers, broken planners, a LiteLLM proxy."""
