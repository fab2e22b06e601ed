"""An MCP server with one tool, which the pool of desk.py starts: what is known of orders."""

from mcp.server import MCPServer

ORDERS = {7: "a vase, 35.00, delivered broken", 8: "a lamp, 60.00, delivered yesterday"}

server = MCPServer("orders")


@server.tool()
def order_status(number: int) -> str:
    """Say what is known of an order: what it is, what it has cost, where it is."""
    return ORDERS.get(number, "there is no such order")


if __name__ == "__main__":
    server.run()
