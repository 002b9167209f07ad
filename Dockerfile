# The gateway with the embedded pair:  docker build -t relaygen . && docker run -p 8000:8000 -e RELAYGEN_API_KEYS=sk-mine relaygen
FROM python:3.12-slim AS build
COPY . /source
RUN pip wheel --no-cache-dir --wheel-dir /wheels '/source[serve]'

FROM python:3.12-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels 'relaygen[serve]' \
    && useradd --system --create-home relaygen
USER relaygen
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=2)"]
# Other containers and hosts can reach it, so it does not start without keys (RELAYGEN_API_KEYS, or --keys and a file).
ENTRYPOINT ["relaygen", "serve", "--host", "0.0.0.0"]
