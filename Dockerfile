# Two images of one build: `toolchain` runs the chain, `app` runs everything in Python.

FROM node:22.17.0-bookworm-slim AS toolchain
WORKDIR /wattledger
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 8545
ENTRYPOINT ["node_modules/.bin/anvil"]

FROM python:3.11.13-slim-bookworm AS app
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --uid 1000 --create-home wattledger && mkdir /data && chown wattledger:wattledger /data
WORKDIR /wattledger
COPY requirements.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements.txt
# The compiler is an npm package: deploying needs node and node_modules.
COPY --from=toolchain /usr/local/bin/node /usr/local/bin/node
COPY --from=toolchain /wattledger/node_modules ./node_modules
COPY contracts ./contracts
COPY data ./data
COPY domain ./domain
COPY oracle ./oracle
COPY backend ./backend
COPY scripts ./scripts
# Contracts are compiled here, so that nothing has to be written at run time but below /data.
RUN python -m scripts.compile > /dev/null
USER wattledger
VOLUME /data
EXPOSE 8000
CMD ["python", "-m", "backend.main"]
