"""All that knows HTTP: routes, the OpenAPI document, access, the operations port."""
