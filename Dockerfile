# npmguard as a container: docker run --rm --read-only --tmpfs /tmp -v "$PWD:/project:ro" npmguard scan
FROM python:3.13-slim AS build
WORKDIR /source
COPY requirements.txt ./
RUN python -m venv /opt/npmguard \
    && /opt/npmguard/bin/python -m pip install --no-cache-dir --require-hashes --requirement requirements.txt
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY npmguard npmguard
COPY rules rules
RUN /opt/npmguard/bin/python -m pip install --no-cache-dir --no-deps . \
    && /opt/npmguard/bin/python -m compileall -q /opt/npmguard/lib

FROM python:3.13-slim
RUN apt-get update -qq \
    && apt-get install -qq --no-install-recommends git > /dev/null \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin npmguard
COPY --from=build /opt/npmguard /opt/npmguard
ENV PATH=/opt/npmguard/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    XDG_CACHE_HOME=/tmp/cache \
    npm_config_cache=/tmp/npm
USER 10001:10001
WORKDIR /project
ENTRYPOINT ["npmguard"]
CMD ["scan"]
