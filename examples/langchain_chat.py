"""LangChain against a gateway: `pip install langchain-openai`, `relaygen serve`, then `python langchain_chat.py`.

Any framework that speaks to OpenAI works alike: give it the base URL, any key, and a policy as the model.
"""

from __future__ import annotations

import os

from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    base_url=os.environ.get("RELAYGEN_URL", "http://127.0.0.1:8000/v1"),
    api_key=os.environ.get("RELAYGEN_KEY", "none"),
    model="relay",
    temperature=0.6,
    seed=1,
)
reply = model.invoke([("user", "What is 17 * 23?")])
print(reply.content)
print(reply.usage_metadata)
