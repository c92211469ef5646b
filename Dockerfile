# Two images of one project: `--target service` plans, `--target profiler` fits cost models.
ARG PYTHON_IMAGE=docker.io/library/python:3.12-slim

FROM ${PYTHON_IMAGE} AS tools
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements/ requirements/

FROM tools AS wheel
RUN python -m venv /build/tools \
 && /build/tools/bin/pip install --only-binary :all: --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY commandline/ commandline/
COPY costmodel/ costmodel/
COPY planner/ planner/
COPY service/ service/
COPY profiler/ profiler/
COPY jouleplan/ jouleplan/
COPY models/ models/
RUN /build/tools/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir dist .

# The environments have no pip of their own: the base image's installs into them.
FROM tools AS build-service
RUN python -m venv --without-pip /opt/jouleplan \
 && pip --python /opt/jouleplan/bin/python install --only-binary :all: --require-hashes \
    -r requirements/service.txt
COPY --from=wheel /build/dist dist
RUN pip --python /opt/jouleplan/bin/python install --no-index --no-deps dist/*.whl

FROM tools AS build-profiler
RUN python -m venv --without-pip /opt/jouleplan \
 && pip --python /opt/jouleplan/bin/python install --only-binary :all: --require-hashes \
    -r requirements/profiler.txt
COPY --from=wheel /build/dist dist
RUN pip --python /opt/jouleplan/bin/python install --no-index --no-deps dist/*.whl

FROM ${PYTHON_IMAGE} AS runtime
LABEL org.opencontainers.image.title="jouleplan" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin jouleplan \
 && install --directory --owner jouleplan --group jouleplan /models /state \
 # The slim image has no bytecode of the standard library, and its user may not write it: a third
 # of each process's start.
 && python -m compileall -q -x '/(site-packages|test|tests|lib2to3)/' /usr/local/lib/python3.12
ENV PATH=/opt/jouleplan/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1
WORKDIR /srv

FROM runtime AS profiler
LABEL org.opencontainers.image.description="Fits cost models of LLM serving from measurements"
COPY --from=build-profiler /opt/jouleplan /opt/jouleplan
# matplotlib wants a folder for its font list; the user has no home.
ENV MPLCONFIGDIR=/tmp
USER 10001:10001
ENTRYPOINT ["python", "-m", "profiler"]
CMD ["--help"]

# The last stage is what a build without --target makes.
FROM runtime AS service
LABEL org.opencontainers.image.description="Plans where LLM requests should run, over HTTP"
COPY --from=build-service /opt/jouleplan /opt/jouleplan
# The cost models and the fleet that come with jouleplan; mount a folder here to use your own.
COPY --chown=10001:10001 models/ /models/
# Asynchronous plans are kept in /state; mount a volume there.
ENV JOULEPLAN_HOST=0.0.0.0 JOULEPLAN_PORT=8080 JOULEPLAN_MODELS_DIR=/models XDG_STATE_HOME=/state
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['JOULEPLAN_PORT'] + '/readyz', timeout=2)"]
ENTRYPOINT ["python", "-m", "service"]
