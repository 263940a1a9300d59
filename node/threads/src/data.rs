//! A mutex with a way past it, for those who know that nobody is in there alone.

pub(crate) use inner::{Data, DataGuard, Shared, let_go, reach};

#[cfg(not(explored))]
mod inner {
    use parking_lot::{Mutex, MutexGuard};

    pub(crate) struct Data<T>(Mutex<T>);

    pub(crate) type DataGuard<'a, T> = MutexGuard<'a, T>;

    pub(crate) type Shared<'a, T> = &'a T;

    impl<T> Data<T> {
        pub(crate) fn new(value: T) -> Data<T> {
            Data(Mutex::new(value))
        }

        #[inline]
        pub(crate) fn lock(&self) -> DataGuard<'_, T> {
            self.0.lock()
        }

        #[inline]
        pub(crate) fn try_lock(&self) -> Option<DataGuard<'_, T>> {
            self.0.try_lock()
        }

        /// The value, past the mutex.
        ///
        /// # Safety
        /// As long as what this returns is used, whoever holds the mutex must not use it to
        /// reach the value.
        #[inline]
        pub(crate) unsafe fn shared(&self) -> Shared<'_, T>
        where
            T: Sync,
        {
            // SAFETY: the pointer is to a live value, and by this function's condition nobody
            // has a reference to it that is not shared. `Sync`: several threads may have one.
            unsafe { &*self.0.data_ptr() }
        }
    }

    /// Who holds the mutex uses it from now on to reach the value.
    #[inline]
    pub(crate) fn reach<T>(_guard: &mut DataGuard<'_, T>) {}

    /// Not any more.
    #[inline]
    pub(crate) fn let_go<T>(_guard: &mut DataGuard<'_, T>) {}
}

/// The same with the explorer's locks: one that is held, and one behind it for the value, which
/// panics where somebody reaches for it and must not.
#[cfg(explored)]
mod inner {
    use std::ops::{Deref, DerefMut};
    use std::sync::PoisonError;

    use shuttle::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

    pub(crate) struct Data<T> {
        mutex: Mutex<()>,
        value: RwLock<T>,
    }

    pub(crate) struct DataGuard<'a, T> {
        data: &'a Data<T>,
        /// None: not reached for.
        value: Option<RwLockWriteGuard<'a, T>>,
        _held: MutexGuard<'a, ()>,
    }

    pub(crate) type Shared<'a, T> = RwLockReadGuard<'a, T>;

    impl<T> Data<T> {
        pub(crate) fn new(value: T) -> Data<T> {
            Data {
                mutex: Mutex::new(()),
                value: RwLock::new(value),
            }
        }

        pub(crate) fn lock(&self) -> DataGuard<'_, T> {
            self.guard(self.mutex.lock().unwrap_or_else(PoisonError::into_inner))
        }

        pub(crate) fn try_lock(&self) -> Option<DataGuard<'_, T>> {
            self.mutex.try_lock().ok().map(|held| self.guard(held))
        }

        fn guard<'a>(&'a self, held: MutexGuard<'a, ()>) -> DataGuard<'a, T> {
            DataGuard {
                data: self,
                value: None,
                _held: held,
            }
        }

        pub(crate) unsafe fn shared(&self) -> Shared<'_, T>
        where
            T: Sync,
        {
            self.value.try_read().expect("nobody reaches for it alone")
        }
    }

    pub(crate) fn reach<T>(guard: &mut DataGuard<'_, T>) {
        let value = guard.data.value.try_write();
        guard.value = Some(value.expect("nobody is in to read"));
    }

    pub(crate) fn let_go<T>(guard: &mut DataGuard<'_, T>) {
        guard.value = None;
    }

    impl<T> Deref for DataGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.value.as_ref().expect("it was reached for")
        }
    }

    impl<T> DerefMut for DataGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.value.as_mut().expect("it was reached for")
        }
    }
}
